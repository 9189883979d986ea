from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.delivery import DeliveryFailed
from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable, TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator
from openreplay_cw_stack.tagging import Reader, Verdict, id_tag, token_tag
from tests.runtime.payloads import CONTROL_MESSAGE, LOG_GROUP, NOW_MS, OWNER, a_document, an_event
from tests.runtime.validator.test_delivery import StrictLogGroup, StrictQueue
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token

GOOD = token_tag(a_token())
FORGED = token_tag(a_token(token_secret=b"forged"))


class FailingLogGroup(StrictLogGroup):
    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        raise DeliveryFailed("ThrottlingException")


@dataclass
class Run:
    """A validator with everything around it in memory."""

    secret: bytes | None = TOKEN_SECRET
    accept_unsigned_ids: bool = False
    policy: Policy | None = None
    own_account: str | None = None
    group: StrictLogGroup = field(default_factory=StrictLogGroup)
    printed: list[str] = field(default_factory=list)
    queue: StrictQueue | None = None

    def _read_secret(self) -> bytes:
        if self.secret is None:
            raise SecretUnreadable("AccessDeniedException")
        return self.secret

    def validate(self, event: object) -> None:
        self.validator().validate(event)

    def validator(self) -> Validator:
        return Validator(
            settings=Settings(
                deployment="Shop",
                linked_log_group="/openreplay/linked",
                own_log_group="/openreplay/validator",
                policy=self.policy or Policy(accept_unsigned_ids=self.accept_unsigned_ids),
                refused_log_groups=frozenset({"/openreplay/bridge"}),
                own_account=self.own_account,
                token_secret_arn="arn",
            ),
            writer=self.group,
            token_secret=TokenSecret(self._read_secret, lambda: 0.0),
            clock_ms=lambda: NOW_MS,
            emit=self.printed.append,
            queue=self.queue,
        )

    @property
    def linked(self) -> list[LinkedLine]:
        return [LinkedLine.decode(line) for lines in self.group.streams.values() for line in lines]

    def metric(self, name: str, **dimensions: str) -> int:
        documents = [json.loads(line) for line in self.printed]
        return sum(
            document.get(name, 0)
            for document in documents
            if all(document.get(key) == value for key, value in dimensions.items())
        )


def test_a_mixed_payload() -> None:
    run = Run()
    run.validate(
        an_event(
            a_document(
                f"{GOOD} error",
                f"{FORGED} error",
                "openReplaySessionToken: x",
                f"{id_tag(12)} error",
                f"{GOOD} fine",
                "openReplaySessionToken missing",
            )
        )
    )
    assert [line.session for line in run.linked] == [SESSION_ID, SESSION_ID]
    assert list(run.group.streams) == [LOG_GROUP]
    for verdict, lines in {
        Verdict.LINKABLE: 2,
        Verdict.BAD_SIGNATURE: 1,
        Verdict.MISSPELLED_TAG: 1,
        Verdict.UNSIGNED: 1,
        Verdict.UNTAGGED: 1,
    }.items():
        assert run.metric("Lines", Verdict=str(verdict)) == lines
    assert run.metric("LinkedLines", LogGroup=LOG_GROUP) == 2
    assert run.metric("RejectedLines", LogGroup=LOG_GROUP) == 3


def test_nothing_is_printed_for_a_line() -> None:
    one, many = Run(), Run()
    one.validate(an_event(a_document(f"{GOOD} error")))
    many.validate(an_event(a_document(*[f"{GOOD} error"] * 300)))
    assert len(one.printed) == len(many.printed)
    assert sum(len(line) + 1 for line in many.printed) < 600


def test_control_messages_do_nothing() -> None:
    run = Run()
    run.validate(an_event(CONTROL_MESSAGE))
    assert run.printed == []
    assert run.group.calls == 0


@pytest.mark.parametrize("event", [None, {}, an_event([]), an_event(a_document(logEvents=1))])
def test_an_invalid_payload_is_counted_and_not_repeated(event: object) -> None:
    run = Run()
    run.validate(event)
    assert run.metric("InvalidPayloads") == 1


@pytest.mark.parametrize(
    "log_group", ["/openreplay/linked", "/openreplay/validator", "/openreplay/bridge"]
)
def test_our_own_groups_are_refused(log_group: str) -> None:
    run = Run()
    run.validate(an_event(a_document(f"{GOOD} error", logGroup=log_group)))
    assert run.metric("RefusedPayloads") == 1
    assert run.group.calls == 0


class TestOtherAccounts:
    OWN = "999999999999"

    def test_their_lines_have_streams_of_their_own(self) -> None:
        run = Run(own_account=self.OWN)
        run.validate(an_event(a_document(f"{GOOD} error")))
        run.validate(an_event(a_document(f"{GOOD} error", owner=self.OWN)))
        assert list(run.group.streams) == [f"{OWNER}/{LOG_GROUP}", LOG_GROUP]
        assert [line.owner for line in run.linked] == [OWNER, self.OWN]
        assert {line.group for line in run.linked} == {LOG_GROUP}
        assert run.metric("LinkedLines", LogGroup=f"{OWNER}/{LOG_GROUP}") == 1

    def test_a_group_of_theirs_may_have_the_name_of_one_of_ours(self) -> None:
        run = Run(own_account=self.OWN)
        run.validate(an_event(a_document(f"{GOOD} error", logGroup="/openreplay/bridge")))
        own = a_document(f"{GOOD} error", logGroup="/openreplay/bridge", owner=self.OWN)
        run.validate(an_event(own))
        assert len(run.linked) == run.metric("RefusedPayloads") == 1


class TestLinkedLines:
    """Another deployment's linked log group is tracked here, and ours by it."""

    def test_they_are_refused_and_counted_and_others_are_not(self) -> None:
        first, second = Run(), Run(secret=None)
        first.validate(an_event(a_document(f"{GOOD} error")))
        (going_round,) = (line.encode() for line in first.linked)
        payload = a_document(going_round, f"{GOOD} error", logGroup="/other/linked")
        second.validate(an_event(payload))
        assert [line.message for line in second.linked] == [f"{id_tag(SESSION_ID)} error"]
        assert second.metric("RefusedLines") == 1
        assert any("refused lines of /other/linked" in line for line in second.printed)

    @pytest.mark.parametrize("readers", [frozenset({Reader.POLL}), frozenset(Reader)])
    def test_with_their_token_too(self, readers: frozenset[Reader]) -> None:
        policy = Policy(readers=readers, accept_unsigned_ids=True)
        first, second = Run(policy=policy), Run(policy=policy)
        first.validate(an_event(a_document(f"{GOOD} error")))
        (going_round,) = (line.encode() for line in first.linked)
        assert "openReplaySessionToken" in going_round
        second.validate(an_event(a_document(going_round, logGroup="/other/linked")))
        assert second.linked == []
        assert second.metric("RefusedLines") == 1


def test_unreadable_entries_are_counted_as_dropped() -> None:
    run = Run()
    document = a_document(f"{GOOD} error")
    document["logEvents"].append({"message": "no id"})
    run.validate(an_event(document))
    assert run.metric("DroppedLines", Reason="unreadable") == 1
    assert len(run.linked) == 1


def test_expired_lines_are_linked_and_counted() -> None:
    run = Run()
    run.validate(an_event(a_document(f"{token_tag(a_token(expires_ms=1))} error")))
    assert len(run.linked) == 1
    assert run.metric("ExpiredLines") == 1


def test_an_unreadable_secret_leaves_signatures_unchecked_and_says_so() -> None:
    run = Run(secret=None)
    run.validate(an_event(a_document(f"{FORGED} error", f"{id_tag(12)} error")))
    assert len(run.linked) == 1
    assert run.metric("UncheckedSignatures") == 1
    assert run.metric("Lines", Verdict="unsigned") == 1
    assert any("AccessDeniedException" in line for line in run.printed)


def test_a_failed_delivery_is_for_lambda_to_repeat_and_counts_nothing() -> None:
    run = Run(group=FailingLogGroup())
    with pytest.raises(DeliveryFailed):
        run.validate(an_event(a_document(f"{GOOD} error")))
    assert run.printed == []


def test_what_is_parked_is_counted_and_the_payload_is_done() -> None:
    run = Run(group=FailingLogGroup(), queue=StrictQueue())
    run.validate(an_event(a_document(f"{GOOD} error", f"{FORGED} error")))
    assert run.queue is not None
    assert [line.session for line in run.queue.lines] == [SESSION_ID]
    assert run.metric("ParkedLines") == 1
    assert run.metric("Lines", Verdict="linkable") == 1
    assert run.metric("LinkedLines") == 0
    assert any("ThrottlingException" in line for line in run.printed)
    assert "error" not in "".join(run.printed).replace("level", "")


def test_where_the_queue_refuses_too_nothing_was_counted() -> None:
    run = Run(group=FailingLogGroup(), queue=StrictQueue(takes=0))
    with pytest.raises(DeliveryFailed):
        run.validate(an_event(a_document(f"{GOOD} error")))
    assert run.printed == []


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=60), max_size=8))
def test_nothing_of_a_line_is_ever_printed(messages: list[str]) -> None:
    run = Run()
    lines = [f"{GOOD} {message} a-secret-of-the-customer" for message in messages]
    run.validate(an_event(a_document(*lines, *messages)))
    everything = "\n".join(run.printed)
    assert "a-secret-of-the-customer" not in everything
    assert str(SESSION_ID) not in everything
    assert "openReplaySession" not in everything
    assert TOKEN_SECRET.decode() not in everything
