"""What an operator does with a deployed stack: look at a session, forget it, backfill a log group.

The tests of this module are one story and run in their order.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from emulator.openreplay import OpenReplay
from openreplay_cw_stack.commands import main
from openreplay_cw_stack.contract.session_table import is_tombstone
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually
from tests.tagging.tokens import a_token, session_of

pytestmark = pytest.mark.end_to_end

CHECKOUT, SEARCH, PAY = ("/app/checkout", "/app/search", "/aws/lambda/pay")
STARTED_MS = int(time.time() * 1000) - 3_600_000
ANN, BEN, CAT = (session_of(STARTED_MS, number) for number in range(3))


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The bridge answers at once, as if every session were over."""
    return {"settle": "0", "session_lifetime": "60s"}


@pytest.fixture(autouse=True)
def here(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in deployment.aws.child_environment().items():
        monkeypatch.setenv(name, value)


def tag(session: int) -> str:
    token = a_token(session_id=session, token_secret=TOKEN_SECRET.encode(), expires_ms=2**50)
    return token_tag(token)


def hits(deployment: Deployment, session: int) -> list[dict[str, Any]]:
    api_key_id, api_key = deployment.api_key()
    gateway = deployment.aws.endpoint_url
    bridge = OpenReplay(deployment.outputs["BridgeUrl"], api_key_id, api_key, gateway)
    return bridge.ask(session).hits()


def messages(deployment: Deployment, session: int) -> list[str]:
    return [hit["_source"]["message"] for hit in hits(deployment, session)]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command; its exit status and what it printed, without a token or a key."""
    capsys.readouterr()
    status = main(list(arguments))
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert TOKEN_SECRET not in printed.out + printed.err
    return status, printed.out + printed.err


def test_a_session_is_printed_as_the_bridge_answers_it(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"level": "ERROR", "msg": f"{tag(ANN)} card declined", "order": 7}
    deployment.put(CHECKOUT, json.dumps(document), f"{tag(BEN)} ERROR of another visitor")
    deployment.put(SEARCH, f"{tag(ANN)} WARNING slow")
    assert len(eventually(lambda: hits(deployment, ANN), lambda seen: len(seen) == 2)) == 2
    status, printed = run(capsys, "session", str(ANN), "--stack", deployment.stack)
    assert status == 0
    for word in ("card declined", "order: 7", "WARNING slow", "error", "warning", CHECKOUT, SEARCH):
        assert word in printed
    assert "of another visitor" not in printed
    status, printed = run(capsys, "session", str(ANN), "--stack", deployment.stack, "--json")
    assert status == 0
    shown = json.dumps(json.loads(printed))
    for message in messages(deployment, ANN):
        assert json.dumps(message)[1:-1] in shown


def test_a_session_without_lines(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "session", str(CAT), "--stack", deployment.stack)[0] == 1
    with pytest.raises(SystemExit, match="2"):
        run(capsys, "session", "a-token", "--stack", deployment.stack)


def test_lines_from_before_tracking_are_backfilled(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log group is tracked after its lines were written."""
    logs = deployment.aws.client("logs")
    logs.create_log_group(logGroupName="/app/old")
    for stream in ("web-1", "web-2"):
        logs.create_log_stream(logGroupName="/app/old", logStreamName=stream)
        events = [
            {
                "timestamp": STARTED_MS + 1000 * number,
                "message": f"{tag(CAT)} ERROR old {stream} {number}",
            }
            for number in range(25)
        ]
        logs.put_log_events(logGroupName="/app/old", logStreamName=stream, logEvents=events)
    deployment.aws.evaluate_iam(False)
    deployment.context["log_groups"] += ",/app/old"
    deployment.deploy()
    deployment.aws.evaluate_iam(True)
    deployment.put("/app/old", f"{tag(CAT)} ERROR new")
    assert messages(deployment, CAT) in ([], ["/app/old: ERROR new"])
    command = (
        *("backfill", "--stack", deployment.stack),
        *("--log-group", "/app/old", "--since", "24h"),
    )
    status, printed = run(capsys, *command, "--dry-run")
    assert status == 0, printed
    status, printed = run(capsys, *command)
    assert status == 0, printed
    assert "50" in printed
    wanted = {f"/app/old: ERROR old web-{n} {number}" for n in (1, 2) for number in range(25)}
    wanted.add("/app/old: ERROR new")
    seen = eventually(lambda: messages(deployment, CAT), lambda seen: len(seen) >= 51)
    assert set(seen) == wanted
    assert len(seen) == 51
    assert run(capsys, *command)[0] == 0
    assert len(messages(deployment, CAT)) == 51


def test_a_session_is_forgotten_and_stays_forgotten(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hits(deployment, ANN)
    status, printed = run(capsys, "forget", str(ANN), "--stack", deployment.stack, "--yes")
    assert status == 0, printed
    assert "OpenReplay" in printed
    left = [item for item in deployment.items() if item["session"]["S"] == str(ANN)]
    assert [is_tombstone(item) for item in left] == [True]
    assert hits(deployment, ANN) == []
    # A line that is still on its way arrives.
    deployment.put(PAY, f"{tag(ANN)} ERROR late", f"{tag(BEN)} ERROR beside it")
    arrived = eventually(
        lambda: messages(deployment, BEN), lambda seen: f"{PAY}: ERROR beside it" in seen
    )
    assert f"{PAY}: ERROR beside it" in arrived
    assert hits(deployment, ANN) == []
    assert run(capsys, "session", str(ANN), "--stack", deployment.stack)[0] == 1
    assert messages(deployment, CAT)


def test_without_a_terminal_nothing_is_forgotten_unasked(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "forget", str(BEN), "--stack", deployment.stack)[0] == 2
    assert hits(deployment, BEN)


def test_expired_items_are_not_shown_and_go_at_last(deployment: Deployment) -> None:
    assert deployment.aws.delete_expired_items() == 0
    in_a_month = time.time() + 31 * 86_400
    assert deployment.aws.delete_expired_items(now=in_a_month) > 0
    assert deployment.linked_lines() == []
