from __future__ import annotations

import base64
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.session import SessionView, _print, view_session
from openreplay_cw_stack.commands.terminal import Output
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import items_of, tombstone
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable, SqsQueueLength
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, ApiKeys, KeyVersion
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.tagging.session_id import EPOCH_MS
from tests.commands.check.support import TABLE_ARN, Client, function, refusal, stack
from tests.tagging.tokens import a_token

HOUR_MS = 3_600_000
NOW_MS = 1_795_492_800_000
START_MS = NOW_MS - 5 * HOUR_MS
SESSION = (START_MS - EPOCH_MS) << 24 | 7
RUNNING = (NOW_MS - HOUR_MS - EPOCH_MS) << 24 | 7
RETENTION_SECONDS = 30 * 86_400
_NUMBERS = itertools.count()


def environment(queue: str, **changes: str) -> dict[str, str]:
    return {
        "DEPLOYMENT": "Shop",
        "SESSION_TABLE_ARN": TABLE_ARN,
        "RETRY_QUEUE_URL": queue,
        "API_KEY_SECRET_ARN": "arn:secret",
        "ALLOWED_SOURCE_RANGES": "192.0.2.0/24",
        "SETTLE_SECONDS": "180",
        "SESSION_LIFETIME_SECONDS": "7200",
        "HOLD_UNTIL_OVER": "false",
        "SHOW_LOG_GROUP": "true",
        "DEADLINE_SECONDS": "10",
        "PREVIOUS_KEY_SECONDS": "604800",
        "KEY_REFRESH_SECONDS": "60",
        "LINE_RETENTION_SECONDS": str(RETENTION_SECONDS),
        **changes,
    }


class World:
    """A session table and a retry queue in memory, and a bridge in front of them."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        self.sqs = boto3.client("sqs", region_name="eu-west-1")
        self.queue = self.sqs.create_queue(QueueName="retry")["QueueUrl"]
        self.dynamodb.create_table(
            TableName=TABLE_ARN.rpartition("/")[2],
            KeySchema=[
                {"AttributeName": "session", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("session", "item")
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    @contextmanager
    def another(self) -> Iterator[World]:
        """The same, empty before and after."""
        self.queue = self.sqs.create_queue(QueueName=f"retry-{next(_NUMBERS)}")["QueueUrl"]
        yield self
        for item in self.dynamodb.scan(TableName=TABLE_ARN)["Items"]:
            key = {name: item[name] for name in ("session", "item")}
            self.dynamodb.delete_item(TableName=TABLE_ARN, Key=key)

    def store(self, lines: Sequence[LinkedLine], *, arrived_ms: int = NOW_MS - HOUR_MS) -> None:
        for item in items_of(lines):
            self.put(item.attributes(arrived_ms=arrived_ms, retention_seconds=RETENTION_SECONDS))

    def put(self, item: Any) -> None:
        self.dynamodb.put_item(TableName=TABLE_ARN, Item=item)

    def view(self, session: int = SESSION, **changes: str) -> SessionView:
        bridge = function("bridge", environment(self.queue, **changes))
        deployment = Deployment("Shop", stack(), {"bridge": bridge}, alone=True)
        return view_session(self.account(), deployment, session)

    def account(self) -> Account:
        clients = {"dynamodb": self.dynamodb, "sqs": self.sqs}
        return Account(NOW_MS / 1000, 60, make_client=lambda service, **settings: clients[service])

    def answer(self, session: int = SESSION, **changes: str) -> list[Any]:
        """What the deployed bridge answers to OpenReplay."""
        bridge = Bridge(
            settings=Settings.from_environment(environment(self.queue, **changes)),
            keys=ApiKeys(lambda: [KeyVersion("1", ApiKey("id", "key"))], lambda: 0.0),
            table=DynamoDbTable(TABLE_ARN, self.dynamodb),
            waiting=SqsQueueLength(self.queue, self.sqs),
            clock_ms=lambda: NOW_MS,
            timer=lambda: 0.0,
            emit=lambda line: None,
        )
        body = (
            f'{{"size":1000,"query":{{"match_phrase":{{"message":"openReplaySession.id={session}"'
            "}}}"
        )
        answer = bridge.handle(
            {
                "version": "2.0",
                "rawPath": "/logs/_search",
                "headers": {"authorization": f"APIKey {base64.b64encode(b'id:key').decode()}"},
                "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.7"}},
                "body": body,
                "isBase64Encoded": False,
            }
        )
        text = answer["body"]
        content = base64.b64decode(text) if answer["isBase64Encoded"] else text
        hits: list[Any] = json.loads(content)["hits"]["hits"]
        return hits


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield World()


def a_line(number: int = 1, **changes: Any) -> LinkedLine:
    values: dict[str, Any] = {
        "session": SESSION,
        "time": START_MS + 1000 * number,
        "id": f"{number:056}",
        "owner": "123456789012",
        "group": "/app/checkout",
        "stream": "web-1",
        "level": "error",
        "message": f"error {number}",
    }
    return LinkedLine(**{**values, **changes})


lines = st.builds(
    a_line,
    number=st.integers(0, 2000),
    group=st.sampled_from(["/app/checkout", "/app/pay"]),
    level=st.sampled_from(["error", "info"]),
    message=st.text(max_size=40) | st.just('{"message":"sold","price":3}'),
)
payloads = st.tuples(
    st.lists(lines, min_size=1, max_size=20),
    st.sampled_from([NOW_MS - HOUR_MS, NOW_MS - 1000, NOW_MS - 40 * 86_400_000]),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    session=st.sampled_from([SESSION, RUNNING]),
    stored=st.lists(payloads, max_size=6),
    show=st.booleans(),
    waits=st.booleans(),
    hold=st.booleans(),
    forgotten=st.booleans(),
)
def test_it_is_what_the_bridge_answers(
    world: World,
    session: int,
    stored: list[tuple[list[LinkedLine], int]],
    show: bool,
    waits: bool,
    hold: bool,
    forgotten: bool,
) -> None:
    changes = {
        "SHOW_LOG_GROUP": str(show).lower(),
        "HOLD_UNTIL_OVER": str(hold).lower(),
    }
    with world.another() as fresh:
        for batch, arrived_ms in stored:
            by_group: dict[str, list[LinkedLine]] = {}
            for line in batch:
                of_session = LinkedLine(**{**vars(line), "session": session})
                by_group.setdefault(line.group, []).append(of_session)
            for group in by_group.values():
                fresh.store(group, arrived_ms=arrived_ms)
        if waits:
            fresh.sqs.send_message(QueueUrl=fresh.queue, MessageBody="x")
        if forgotten and stored:
            fresh.put(tombstone(session, forgotten_ms=NOW_MS, kept_seconds=86_400))
        view = fresh.view(session, **changes)
        assert view.hits == fresh.answer(session, **changes)
        assert view.waiting is waits
        assert (view.state == "answered") == bool(view.hits)
        if view.state == "held back":
            assert view.held == fresh.answer(
                session, **{**changes, "SETTLE_SECONDS": "0", "HOLD_UNTIL_OVER": "false"}
            )


def test_why_an_answer_is_held_back(world: World) -> None:
    world.store([a_line(session=RUNNING)], arrived_ms=NOW_MS - 60_000)
    view = world.view(RUNNING)
    assert (view.state, view.hits) == ("held back", [])
    assert "its newest line arrived at 2026-11-24T" in view.reason
    assert "for 180 seconds" in view.reason
    assert len(view.held) == 2
    view = world.view(RUNNING, HOLD_UNTIL_OVER="true")
    assert view.state == "held back"
    assert "hold_until_over is set" in view.reason


def test_a_forgotten_session(world: World) -> None:
    world.store([a_line()])
    world.put(tombstone(SESSION, forgotten_ms=NOW_MS - 1000, kept_seconds=86_400))
    view = world.view()
    assert (view.state, view.hits, view.held) == ("forgotten", [], [])
    assert view.reason == "`forget` deleted it at 2026-11-24T03:59:59.000Z"


def test_items_that_are_not_shown(world: World) -> None:
    world.store([a_line(1)])
    world.store([a_line(2)], arrived_ms=NOW_MS - 31 * 86_400_000)
    damaged: list[dict[str, Any]] = [
        {"v": {"N": "2"}},
        {"lines": {"B": zlib.compress(b"0" * 3_000_000)}},
    ]
    for number, changes in enumerate(damaged):
        (item,) = items_of([a_line(10 + number)])
        attributes = item.attributes(arrived_ms=NOW_MS - HOUR_MS, retention_seconds=86_400)
        world.put({**attributes, **changes})
    view = world.view()
    assert len(view.hits) == 1
    assert view.skipped == {"expired": 1, "version": 1, "corrupt": 1}


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
        f"Session {SESSION}: the bridge answers with 2 hits.",
        "",
    ]


def test_a_narrow_terminal_folds_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    group, message = "/aws/ecs/" + "g" * 40, "no stock for 12 things " + "x" * 90
    source = {"message": f"{group}: {message}", "level": "error", "log_group": group}
    hit = {"_source": {**source, "@timestamp": "2026-11-23T23:00:01.000Z"}}
    terminal = Terminal()
    _print(Output(terminal), SessionView(7, [hit], [], "answered", "", {}, False))
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(map(len, text.split("\n"))) <= 60
    assert text.count("x") == 90
    assert text.count("g") >= 40
    assert "things" in text
    assert "\x1b[31merror" in terminal.getvalue()


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
    assert "Whether lines wait in the retry queue is not known" in out
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
