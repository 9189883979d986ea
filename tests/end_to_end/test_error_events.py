"""Error events through a real rule, also while the event bus fails."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import Deployment, eventually
from tests.tagging.tokens import a_token, session_of

pytestmark = pytest.mark.end_to_end

GROUP = "/shop/checkout"
STARTED_MS = int(time.time() * 1000) - 60_000
SESSIONS = [session_of(STARTED_MS + number, number) for number in range(6)]


class Shop(Deployment):
    stack = "Shop"
    app = str(Path(__file__).with_name("errors_app.py"))

    def received(self, output: str) -> list[dict[str, Any]]:
        """What is in a queue; it stays there."""
        messages = self.aws.client("sqs").receive_message(
            QueueUrl=self.outputs[output], MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [json.loads(one["Body"]) for one in messages.get("Messages", [])]

    def events(self, session: int) -> list[dict[str, Any]]:
        """The events about a session. They are taken off the queue and kept."""
        sqs, url = self.aws.client("sqs"), self.outputs["QueueUrl"]
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [one for one in self.taken if one["detail"]["session"] == str(session)]

    @property
    def taken(self) -> list[dict[str, Any]]:
        return self.__dict__.setdefault("_taken", [])  # type: ignore[no-any-return]

    def lines_of(self, session: int) -> list[str]:
        return [line.message for line in self.linked_lines() if line.session == session]


@pytest.fixture(scope="module")
def shop(aws: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(aws, tmp_path_factory.mktemp("cdk"), {})
    shop.printed.append(shop.cdk.bootstrap())
    shop.deploy()
    # Otherwise a failed event waits for half a minute.
    shop.set_environment(shop.validator, FIRST_PAUSE_SECONDS="1", MAX_PAUSE_SECONDS="2")
    aws.evaluate_iam(True)
    yield shop
    aws.clear_faults()


def tagged(session: int, text: str) -> str:
    return f"{token_tag(a_token(session_id=session, expires_ms=2**50))} {text}"


def test_an_error_becomes_one_event_with_the_link_of_its_replay(shop: Shop) -> None:
    session = SESSIONS[0]
    shop.put(GROUP, tagged(session, "ERROR card declined"), tagged(session, "all is well"))
    (event,) = eventually(lambda: shop.events(session), lambda found: len(found) == 1)
    assert (event["source"], event["detail-type"]) == (
        "openreplay-cw-stack",
        "OpenReplay session error",
    )
    detail = event["detail"]
    assert detail["replay_url"] == f"https://openreplay.example/5/session/{session}"
    assert (detail["message"], detail["lines"]) == ("ERROR card declined", 1)
    assert a_token(session_id=session, expires_ms=2**50).rsplit(".", 1)[1] not in json.dumps(event)


def test_it_is_mailed_as_a_text_that_a_person_reads(shop: Shop) -> None:
    (mail,) = eventually(lambda: shop.received("MailedUrl"), lambda found: len(found) == 1)
    text = mail["Message"].strip('"').replace("\\n", "\n")
    assert text == (
        "1 error lines in /shop/checkout: ERROR card declined\n"
        f"Replay: https://openreplay.example/5/session/{SESSIONS[0]}"
    )


def test_a_thousand_errors_of_a_session_make_one_event_and_lose_no_line(shop: Shop) -> None:
    session = SESSIONS[1]
    for first in range(0, 1000, 100):
        shop.put(
            GROUP, *[tagged(session, f"ERROR {number}") for number in range(first, first + 100)]
        )
    lines = eventually(lambda: shop.lines_of(session), lambda found: len(found) == 1000)
    assert sorted(lines) == sorted(f"ERROR {number}" for number in range(1000))
    assert len(shop.events(session)) == 1


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (2, "ThrottlingException"),
        (3, "AccessDeniedException"),
        (4, "ResourceNotFoundException"),
    ],
)
def test_a_bus_that_fails_costs_no_line_and_its_event_comes_later(
    shop: Shop, number: int, error: str
) -> None:
    session = SESSIONS[number]
    failed = shop.metric("FailedErrorEvents")
    shop.aws.inject_fault("events", "PutEvents", times=None, error=error, status=400)
    shop.put(GROUP, tagged(session, "ERROR no stock"))
    assert eventually(lambda: shop.lines_of(session), bool) == ["ERROR no stock"]
    assert (
        eventually(lambda: shop.metric("FailedErrorEvents"), lambda count: count > failed) > failed
    )
    assert shop.events(session) == []
    shop.aws.clear_faults()
    (event,) = eventually(lambda: shop.events(session), lambda found: len(found) == 1)
    assert event["detail"]["message"] == "ERROR no stock"
    assert (
        eventually(
            lambda: shop.messages_in(shop.outputs["RetryQueueUrl"]), lambda count: count == 0
        )
        == 0
    )
    assert shop.lines_of(session) == ["ERROR no stock"]
