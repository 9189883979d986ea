from __future__ import annotations

import json
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.tagging.replay_url import EXAMPLE
from tests.commands.session.support import World, environment
from tests.commands.support import Client, refusal
from tests.runtime.bridge.support import NOW_MS, SESSION, a_line
from tests.tagging.tokens import a_token


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The world behind a stack, as ``main`` finds it."""
    configuration = {
        "Handler": "openreplay_cw_stack.runtime.bridge.handler.handler",
        "FunctionName": "bridge",
        "FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:bridge",
        "Role": "arn:aws:iam::123456789012:role/bridge",
        "Environment": {"Variables": environment(world.queue)},
    }
    summary = {
        "LogicalResourceId": "BridgeFunction0A1B2C3D",
        "PhysicalResourceId": "bridge",
        "ResourceType": "AWS::Lambda::Function",
    }
    clients: dict[str, Any] = {
        "cloudformation": Client(
            {
                "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
                "list_stack_resources": {"StackResourceSummaries": [summary]},
            }
        ),
        "lambda": Client({"get_function_configuration": configuration}),
        "dynamodb": world.dynamodb,
        "sqs": world.sqs,
    }
    monkeypatch.setattr("boto3.client", lambda service, **settings: clients[service])
    monkeypatch.setattr("time.time", lambda: NOW_MS / 1000)
    return clients


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    status = main(["session", str(SESSION), "--stack", "Shop", *options])
    both = capsys.readouterr()
    assert "\x1b" not in both.out + both.err
    assert a_token() not in both.out + both.err
    return status, both.out, both.err


def test_what_is_printed(
    world: World, deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.store(
        [
            a_line(1, message='{"message":"no stock","sku":"\\u001b[2J[red]x[/]"}'),
            a_line(2, level="info", message=f"long {'x' * 300} {a_token()}"),
        ]
    )
    status, out, err = printed(capsys)
    assert (status, err) == (0, "")
    assert out.split("\n") == [
        "TIME                      LEVEL  LOG GROUP      MESSAGE",
        "2026-11-23T23:00:01.000Z  error  /app/checkout  no stock",
        f"{' ' * 48}sku: �[2J[red]x[/]",
        f"2026-11-23T23:00:02.000Z  info   /app/checkout  long {'x' * 300} <session token removed>",
        "",
        f"Session {SESSION}: the bridge returns 2 hits.",
        "",
    ]


def test_as_json(
    world: World, deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.store([a_line(1)])
    status, out, _ = printed(capsys, "--json")
    document = json.loads(out)
    assert status == 0
    assert document["session"] == str(SESSION)
    assert document["hits"] == world.answer()
    assert (document["state"], document["waiting"]) == ("answered", False)


def test_there_is_no_line(deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = printed(capsys)
    assert status == 1
    assert "empty: the session table has no line of this session to show." in out


def test_what_may_not_be_read(
    world: World, deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.store([a_line(1)])
    deployed["sqs"] = Client({"get_queue_attributes": refusal("GetQueueAttributes")})
    status, out, _ = printed(capsys)
    assert status == 0
    assert "Lines may wait in the retry queue" in out
    deployed["dynamodb"] = Client({"query": refusal("Query", "AccessDeniedException")})
    status, _, err = printed(capsys)
    assert status == 2
    assert err == "cannot read the session from the session table: AccessDeniedException\n"


@pytest.mark.parametrize("given", [a_token(), "0x7", str(2**64), "[red]", ""])
def test_a_session_token_is_not_accepted(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["session", given, "--stack", "Shop"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert "a session token is not accepted" in err
    assert a_token() not in err


def test_a_bridge_of_another_version(
    deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = deployed["lambda"].answers["get_function_configuration"]
    del configuration["Environment"]["Variables"]["SETTLE_SECONDS"]
    status, _, err = printed(capsys)
    assert status == 2
    assert "deploy the stack again" in err


def test_the_link_of_the_replay_comes_first(
    world: World,
    deployed: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENREPLAY_REPLAY_URL", EXAMPLE)
    deployed["secretsmanager"] = Client({"describe_secret": refusal("DescribeSecret")})
    world.store([a_line(1)])
    link = f"https://openreplay.example/5/session/{SESSION}"
    assert printed(capsys)[1].splitlines()[0] == link
    assert json.loads(printed(capsys, "--json")[1])["replay_url"] == link
    monkeypatch.delenv("OPENREPLAY_REPLAY_URL")
    assert "https://" not in printed(capsys)[1]
