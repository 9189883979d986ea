from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging.values import Value


class Account(Value):
    owner: str
    key: str
    balance: int = 0
    closed: bool = False

    _hidden = frozenset({"key"})

    def is_empty(self) -> bool:
        return not self.balance


class Other(Value):
    owner: str
    key: str
    balance: int = 0
    closed: bool = False


ACCOUNT = Account("ann", "hush", 3)


def test_made_by_place_and_by_name() -> None:
    assert (ACCOUNT.owner, ACCOUNT.key, ACCOUNT.balance, ACCOUNT.closed) == (
        "ann",
        "hush",
        3,
        False,
    )
    assert not ACCOUNT.is_empty()
    for same in (
        Account("ann", "hush", 3, False),
        Account("ann", "hush", balance=3),
        Account(closed=False, balance=3, key="hush", owner="ann"),
    ):
        assert same == ACCOUNT
        assert hash(same) == hash(ACCOUNT)
        assert repr(same) == repr(ACCOUNT)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("ann",), {}),
        (("ann", "hush", 3, False, 1), {}),
        (("ann", "hush", 3, False), {"other": 1}),
        (("ann", "hush", 3, False), {"owner": "bob"}),
        (("ann", "hush"), {"other": 1}),
        (("ann", "hush"), {"key": "hush"}),
        ((), {"owner": "ann"}),
    ],
)
def test_other_fields_than_it_has_are_refused(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match="Account has the fields owner, key, balance, closed") as no:
        Account(*values, **named)  # type: ignore[arg-type]
    assert "hush" not in str(no.value)


def test_hidden_fields_are_not_shown() -> None:
    shown = "Account(owner='ann', balance=3, closed=False)"
    assert repr(ACCOUNT) == str(ACCOUNT) == f"{ACCOUNT}" == shown
    assert shown == "%s" % ACCOUNT  # noqa: UP031


def test_a_logger_that_writes_json_cannot_take_one_apart() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"account": ACCOUNT})


@pytest.mark.parametrize("name", ["owner", "key", "balance", "closed", "other"])
def test_nothing_can_be_changed(name: str) -> None:
    before = dict(vars(ACCOUNT))
    with pytest.raises(AttributeError, match=f"cannot assign to field '{name}'"):
        setattr(ACCOUNT, name, None)
    with pytest.raises(AttributeError, match=f"cannot delete field '{name}'"):
        delattr(ACCOUNT, name)
    assert vars(ACCOUNT) == before


FIELDS = st.tuples(st.text(), st.text(), st.integers(), st.booleans())


@given(FIELDS, FIELDS)
def test_equal_by_every_field(
    one: tuple[str, str, int, bool], other: tuple[str, str, int, bool]
) -> None:
    assert (Account(*one) == Account(*other)) is (one == other)
    assert (Account(*one) != Account(*other)) is (one != other)
    assert len({Account(*one), Account(*other)}) == len({one, other})


def test_only_those_of_one_class_are_equal() -> None:
    assert Other("ann", "hush", 3) != ACCOUNT
    assert ACCOUNT != ("ann", "hush", 3, False)


class Savings(Account):
    rate: int = 2
    balance: int = 1


def test_a_derived_class_has_the_fields_of_its_base_first() -> None:
    savings = Savings("ann", "hush")
    assert repr(savings) == "Savings(owner='ann', balance=1, closed=False, rate=2)"
    assert savings == Savings("ann", "hush", 1, False, 2)
    assert repr(Account("ann", "hush")) == "Account(owner='ann', balance=0, closed=False)"


def test_matched_by_place_and_by_name() -> None:
    match ACCOUNT:
        case Account(owner, _, balance, closed=False):
            assert (owner, balance) == ("ann", 3)
        case _:
            pytest.fail("it does not match")


def test_copied_and_sent_to_other_processes() -> None:
    for copied in (
        copy.copy(ACCOUNT),
        copy.deepcopy(ACCOUNT),
        pickle.loads(pickle.dumps(ACCOUNT)),
    ):
        assert copied == ACCOUNT
        assert copied is not ACCOUNT
