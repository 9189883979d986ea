from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import MalformedToken
from openreplay_cw_stack.tagging.propagation import (
    HEADER_NAME,
    SESSION_ID_HEADER_NAME,
    HeaderReader,
    Session,
    propagation_counts,
)
from openreplay_cw_stack.tagging.propagation.session import write_ids
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.tokens import a_token, tokens


def read(reader: HeaderReader, **headers: object) -> Session | None:
    return reader.read(lambda name: headers.get(name.replace("-", "_").replace(".", "_"), []))  # type: ignore[arg-type,return-value]


def with_token(*values: object) -> Session | None:
    return HeaderReader().read(lambda name: values if name == HEADER_NAME else ())


@given(tokens)
def test_a_token_is_carried(token: str) -> None:
    session = with_token(token)
    assert session == Session.of_token(token)
    assert session is not None
    assert session.token == token
    assert pickle.loads(pickle.dumps(session)) == session


def test_it_shows_no_token() -> None:
    assert repr(ANNA) == f"Session(session_id={ANNA.session_id})"


@pytest.mark.parametrize("values", [[], [None], [""]])
def test_no_attempt_is_not_counted(values: list[object]) -> None:
    assert with_token(*values) is None
    assert propagation_counts()["ignored_headers"] == 0


HOSTILE = [
    "null",
    "undefined",
    "abc",
    f"{ANNA.token} ",
    f" {ANNA.token}",
    f"{ANNA.token}\n",
    f"{ANNA.token}]\n[openReplaySessionToken={BERT.token}",
    f"{ANNA.token}\r\n{BERT.token}",
    f"{ANNA.token},{BERT.token}",
    f"Bearer {ANNA.token}",
    f"{ANNA.token}\x00",
    str(ANNA.token).replace(".", "．", 1),
    "٣" + str(ANNA.token),
    "0" * 200 + str(ANNA.token),
    "a" * 100_000,
    b"bytes",
    7,
    ["x"],
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_token_is_ignored_and_counted(value: object) -> None:
    assert with_token(value) is None
    assert propagation_counts()["ignored_headers"] == 1


@given(st.text())
def test_no_text_gets_a_character_of_its_own_into_a_tag(text: str) -> None:
    session = with_token(text)
    if session is not None:
        assert set(session.tag) <= set(
            "[]=.-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        )


@pytest.mark.parametrize(
    "values", [[ANNA.token] * 2, [f"{ANNA.token}, {ANNA.token}"], [f"{ANNA.token},{ANNA.token}"]]
)
def test_the_same_twice_is_one(values: list[object]) -> None:
    assert with_token(*values) == ANNA
    assert propagation_counts()["ignored_headers"] == 0


def test_two_headers_are_nobodys() -> None:
    assert with_token(ANNA.token, BERT.token) is None
    assert propagation_counts()["ignored_headers"] == 1


def test_a_token_that_is_too_long_is_not_quoted() -> None:
    with pytest.raises(MalformedToken) as raised:
        Session.of_token("secret" * 100)
    assert "secret" not in str(raised.value)


class TestSessionId:
    def test_it_is_not_trusted_unless_asked(self) -> None:
        assert read(HeaderReader(), openReplaySession_id=["4118144119896553030"]) is None
        assert propagation_counts()["ignored_headers"] == 0

    def test_on_request(self) -> None:
        session = read(
            HeaderReader(accept_session_id=True), openReplaySession_id=["4118144119896553030"]
        )
        assert session == Session(ANNA.session_id, None)
        assert session.tag == f"[openReplaySession.id={ANNA.session_id}]"

    @pytest.mark.parametrize("value", ["0x7", "-1", "1.0", str(2**64), "7\n", "٣", " 7"])
    def test_what_is_no_id(self, value: str) -> None:
        assert read(HeaderReader(accept_session_id=True), openReplaySession_id=[value]) is None
        assert propagation_counts()["ignored_headers"] == 1

    def test_a_token_comes_first(self) -> None:
        reader = HeaderReader(accept_session_id=True)
        values: dict[str, list[object]] = {HEADER_NAME: [BERT.token], SESSION_ID_HEADER_NAME: ["7"]}
        assert reader.read(lambda name: values[name]) == BERT


class TestVerification:
    @pytest.mark.parametrize("secret", ["a secret", b"a secret", "a secret\n"])
    def test_a_token_that_was_signed_with_the_secret(self, secret: bytes | str) -> None:
        reader = HeaderReader(token_secret=secret)
        token = a_token(token_secret=b"a secret")
        assert reader.read(lambda _: [token]) == Session.of_token(token)
        assert propagation_counts()["unverified_headers"] == 0

    def test_a_made_up_one_with_another_visitors_id_is_ignored_and_counted(self) -> None:
        token = a_token(session_id=BERT.session_id, token_secret=b"a guess")
        assert HeaderReader(token_secret="a secret").read(lambda _: [token]) is None
        counted = propagation_counts()
        assert (counted["unverified_headers"], counted["ignored_headers"]) == (1, 0)

    def test_what_is_no_token_is_counted_as_that(self) -> None:
        assert HeaderReader(token_secret="a secret").read(lambda _: ["nonsense"]) is None
        counted = propagation_counts()
        assert (counted["unverified_headers"], counted["ignored_headers"]) == (0, 1)

    def test_bytes_of_the_environment_that_are_no_utf_8(self) -> None:
        token = a_token(token_secret=b"\xff secret")
        secret = os.fsdecode(b"\xff secret")
        assert HeaderReader(token_secret=secret).read(lambda _: [token]) is not None

    @pytest.mark.parametrize("secret", ["", b"", "\n", 7, ["a secret"]])
    def test_what_is_no_secret(self, secret: Any) -> None:
        with pytest.raises(ValueError, match="token_secret must be OpenReplay's") as raised:
            HeaderReader(token_secret=secret)
        assert "a secret" not in str(raised.value)

    def test_an_unsigned_id_beside_it_would_make_it_worth_nothing(self) -> None:
        with pytest.raises(ValueError, match="leave one of them out"):
            HeaderReader(accept_session_id=True, token_secret="a secret")

    @pytest.mark.parametrize("secret", ["a secret", b"a secret"])
    def test_it_is_not_shown(self, secret: bytes | str) -> None:
        assert "a secret" not in repr(HeaderReader(token_secret=secret))


def test_the_tag_is_the_one_that_is_chosen_also_for_sessions_of_before() -> None:
    try:
        assert ANNA.tag == f"[openReplaySessionToken={ANNA.token}]"
        write_ids(True)
        assert ANNA.tag == f"[openReplaySession.id={ANNA.session_id}]"
    finally:
        write_ids(False)
    assert ANNA.tag == f"[openReplaySessionToken={ANNA.token}]"


@pytest.mark.parametrize("name", ["", "X Visit", "X:Visit", "X-Visit\n", "Besuch-ä"])
def test_a_name_that_is_no_headers(name: str) -> None:
    with pytest.raises(ValueError, match="header_name must be the name of an HTTP header"):
        HeaderReader(name)


def test_another_name() -> None:
    assert HeaderReader("X-Visit").read(
        lambda name: (ANNA.token,) if name == "X-Visit" else ()
    ) == (ANNA)


@pytest.mark.parametrize("header", ["," * 60_000, "a," * 60_000, f"{ANNA.token}," * 2_000])
def test_a_header_of_commas_is_refused_before_it_is_split(header: str) -> None:
    """Two of 60 KB took 1.8 seconds of the event loop."""
    read: list[int] = []

    class Watched(str):
        def split(self, *arguments: Any, **keywords: Any) -> list[str]:
            read.append(1)
            return str.split(self, *arguments, **keywords)

    assert HeaderReader().read(lambda _: [Watched(header), Watched(header)]) is None
    assert read == []


def test_reading_stops_at_the_second_distinct_value() -> None:
    """HeaderReader.read catches what the values raise, an AssertionError too."""
    read: list[str | None] = []

    def values() -> Iterator[str]:
        for value in (ANNA.token, BERT.token, "more", "still more"):
            read.append(value)
            yield str(value)

    assert HeaderReader().read(lambda _: values()) is None
    assert read == [ANNA.token, BERT.token]
