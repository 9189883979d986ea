from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.runtime.parked_lines import ParkedLines
from tests.commands.check.support import NOW, Client, refusal
from tests.commands.check.test_deployment import configuration
from tests.runtime.payloads import LOG_GROUP, NOW_MS, a_document, an_event

PAYLOAD = an_event(a_document("a line of a customer"))
RECORD = json.dumps(
    {
        "version": "1.0",
        "requestContext": {"functionArn": "arn:…:function:validator:$LATEST"},
        "requestPayload": PAYLOAD,
    }
)
PARKED = ParkedLines(LOG_GROUP, LOG_GROUP, NOW_MS, ["a line of a customer"]).encode()
DEAD_LETTERS, PARKED_LINES = "https://sqs/dead-letters", "https://sqs/parked-lines"


def summary(path: str, physical_id: str, kind: str) -> dict[str, str]:
    return {
        "LogicalResourceId": f"OpenReplay{path}0A1B2C3D",
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
    }


@dataclass
class Queue:
    """The dead-letter queue: what is hidden is not received."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)

    def add(self, body: str, *, seconds_ago: float = 60) -> None:
        handle = f"r{len(self.messages)}"
        self.messages[handle] = {
            "MessageId": handle,
            "ReceiptHandle": handle,
            "Body": body,
            "Attributes": {"SentTimestamp": str(int(1000 * (NOW - seconds_ago)))},
        }

    def receive(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["QueueUrl"] == DEAD_LETTERS
        assert arguments["VisibilityTimeout"] > 0
        visible = [one for one in self.messages if one not in self.hidden][:10]
        self.hidden.update(visible)
        return {
            "Messages": [self.messages[one] for one in visible],
            "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(NOW, usegmt=True)}},
        }

    def delete(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:  # noqa: N803
        del self.messages[ReceiptHandle]
        self.deleted.append(ReceiptHandle)
        return {}

    def show(self, *, ReceiptHandle: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        assert arguments == {"QueueUrl": DEAD_LETTERS, "VisibilityTimeout": 0}
        self.hidden.remove(ReceiptHandle)
        return {}


@dataclass
class Account:
    queue: Queue
    clients: dict[str, Client]

    @property
    def invoked(self) -> list[dict[str, Any]]:
        return [
            arguments
            for operation, arguments in self.clients["lambda"].asked
            if operation == "invoke"
        ]

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [
            arguments
            for operation, arguments in self.clients["sqs"].asked
            if operation == "send_message"
        ]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    queue = Queue()
    validator = configuration("validator")
    validator["Environment"]["Variables"]["PARKED_LINES_QUEUE"] = PARKED_LINES
    summaries = [
        summary("ValidatorFunction", "validator", "AWS::Lambda::Function"),
        summary("ValidatorDeadLetterQueue", DEAD_LETTERS, "AWS::SQS::Queue"),
    ]
    clients = {
        "cloudformation": Client(
            {
                "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
                "list_stack_resources": {"StackResourceSummaries": summaries},
            }
        ),
        "lambda": Client({"get_function_configuration": validator, "invoke": {"StatusCode": 202}}),
        "sqs": Client(
            {
                "receive_message": queue.receive,
                "delete_message": queue.delete,
                "change_message_visibility": queue.show,
                "send_message": {"MessageId": "new"},
            }
        ),
    }
    monkeypatch.setattr("boto3.client", lambda service: clients[service])
    yield Account(queue, clients)
    assert not queue.hidden & set(queue.messages), "what stays can be seen again at once"


def replayed(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    status = main(["replay", "--stack", "Shop", *options])
    printed = capsys.readouterr()
    assert "customer" not in printed.out + printed.err
    return status, printed.out + printed.err


def test_payloads_are_invoked_again_and_parked_lines_go_back(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(12):
        account.queue.add(RECORD)
    account.queue.add(PARKED)
    status, printed = replayed(capsys)
    assert status == 0
    assert printed == (
        "Shop: 12 payloads invoked on the validator again\n"
        "Shop: 1 message of parked lines back in their queue\n"
    )
    assert account.queue.messages == {}
    assert [json.loads(one.pop("Payload")) for one in account.invoked] == [PAYLOAD] * 12
    assert account.invoked[0] == {"FunctionName": "validator", "InvocationType": "Event"}
    assert account.sent == [{"QueueUrl": PARKED_LINES, "MessageBody": PARKED}]


def test_an_empty_queue(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(capsys) == (0, "Shop: the dead-letter queue is empty\n")
    assert not account.invoked


def test_a_dry_run_changes_nothing(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.queue.add(RECORD)
    account.queue.add(PARKED)
    status, printed = replayed(capsys, "--dry-run")
    assert status == 0
    assert printed == (
        "Shop: 1 payload would be invoked on the validator again\n"
        "Shop: 1 message of parked lines would be back in their queue\n"
    )
    assert (account.invoked, account.sent, account.queue.deleted) == ([], [], [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a line of a customer", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a line of a customer"]', "JSON, but no object"),
        ('{"a line of a customer": 1}', "neither an invocation record nor parked lines"),
        ('{"requestContext": {}, "requestPayload": "customer"}', "neither"),
        ('{"v": 2}', "not parked lines of a known version"),
    ],
)
def test_what_is_neither_stays_and_is_named_by_its_kind(
    account: Account, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    account.queue.add(body)
    account.queue.add(PARKED)
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 message of parked lines back" in printed
    assert "1 message left: " in printed
    assert words in printed
    assert [one["Body"] for one in account.queue.messages.values()] == [body]


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [("lambda", "invoke", RECORD), ("sqs", "send_message", PARKED)],
)
def test_what_is_not_taken_is_not_deleted(
    account: Account,
    capsys: pytest.CaptureFixture[str],
    service: str,
    operation: str,
    body: str,
) -> None:
    account.clients[service].answers[operation] = refusal(
        operation, "AccessDeniedException", "a line of a customer"
    )
    account.queue.add(body)
    status, printed = replayed(capsys)
    assert status == 1
    assert "not taken: AccessDeniedException" in printed
    assert len(account.queue.messages) == 1


def test_what_arrives_meanwhile_is_left_for_the_next_run(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else what fails again at once would go round for ever."""
    account.queue.add(RECORD, seconds_ago=-60)
    assert replayed(capsys) == (1, "Shop: 1 message left: arrived meanwhile; run it again\n")


def test_a_queue_that_may_not_be_read(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.clients["sqs"].answers["receive_message"] = refusal("ReceiveMessage")
    status, printed = replayed(capsys)
    assert status == 2
    assert printed.startswith("cannot read the dead-letter queue: ")


def test_a_deployment_of_an_older_version(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.clients["lambda"].answers["get_function_configuration"] = configuration("validator")
    status, printed = replayed(capsys)
    assert status == 2
    assert "deploy it again" in printed
