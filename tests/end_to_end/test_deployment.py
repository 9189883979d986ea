"""Deploy, write, read, update, destroy: the real CDK CLI, real Lambda code, IAM evaluated.

The tests of this module are one story and run in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from openreplay_cw_stack.tagging import Verdict, judge, remove_session_tokens, token_tag
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually
from tests.tagging.test_conformance import LINES
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

SECRET = TOKEN_SECRET.encode()
SESSION = 4118144119896553030
GOOD = token_tag(a_token(session_id=SESSION, token_secret=SECRET, expires_ms=2**50))
FORGED = token_tag(a_token(session_id=SESSION, token_secret=b"forged", expires_ms=2**50))


@pytest.mark.real_account
def test_a_line_from_every_tracked_group_arrives(deployment: Deployment) -> None:
    for log_group in ("/app/checkout", "/app/search", "/aws/lambda/pay"):
        deployment.put(log_group, f"{GOOD} ERROR no stock left in {log_group}")
    lines = eventually(deployment.linked_lines, lambda lines: len(lines) >= 3)
    assert {(line.group, line.session, line.level) for line in lines} == {
        ("/app/checkout", SESSION, "error"),
        ("/app/search", SESSION, "error"),
        ("/aws/lambda/pay", SESSION, "error"),
    }
    for line in lines:
        assert line.message == f"ERROR no stock left in {line.group}"
        assert (line.owner, line.stream) == (deployment.account_id, "web-1")


@pytest.mark.real_account
def test_a_linked_line_names_its_source_event(deployment: Deployment) -> None:
    logs = deployment.aws.client("logs")
    for line in deployment.linked_lines():
        (source,) = logs.filter_log_events(logGroupName=deployment.actual(line.group))["events"]
        assert (line.id, line.time) == (source["eventId"], source["timestamp"])


@pytest.mark.real_account
def test_every_line_of_the_conformance_set_is_counted_by_its_verdict(
    deployment: Deployment,
) -> None:
    before = {verdict: deployment.metric("Lines", Verdict=str(verdict)) for verdict in Verdict}
    already = len(deployment.linked_lines())
    expected = Counter(judge(line["message"], token_secret=SECRET).verdict for line in LINES)
    deployment.put("/app/checkout", *(line["message"] for line in LINES if line["message"]))
    tagged = {verdict for verdict in Verdict if verdict is not Verdict.UNTAGGED}

    def counted() -> dict[Verdict, int]:
        return {
            verdict: deployment.metric("Lines", Verdict=str(verdict)) - before[verdict]
            for verdict in tagged
        }

    wanted = {verdict: expected[verdict] for verdict in tagged}
    assert eventually(counted, lambda seen: seen == wanted) == wanted
    assert len(deployment.linked_lines()) == already + expected[Verdict.LINKABLE]


@pytest.mark.real_account
def test_what_is_not_linkable_is_not_stored(deployment: Deployment) -> None:
    before = len(deployment.linked_lines())
    rejected = deployment.metric("RejectedLines", LogGroup="/app/search")
    deployment.put("/app/search", f"{FORGED} error", "openReplaySessionToken= error", "error")
    now = eventually(
        lambda: deployment.metric("RejectedLines", LogGroup="/app/search"),
        lambda count: count >= rejected + 2,
    )
    assert now == rejected + 2
    assert len(deployment.linked_lines()) == before


@pytest.mark.real_account
def test_no_session_token_is_in_the_session_table(deployment: Deployment) -> None:
    printed_header = {"headers": {"x-openreplay-sessiontoken": GOOD[24:-1]}, "msg": f"{GOOD} error"}
    before = len(deployment.linked_lines())
    deployment.put("/app/search", json.dumps(printed_header))
    lines = eventually(deployment.linked_lines, lambda seen: len(seen) > before)
    assert len(lines) > before
    for line in lines:
        assert remove_session_tokens(line.message) == line.message


@pytest.mark.real_account
def test_a_line_of_a_megabyte_is_cut_and_arrives(deployment: Deployment) -> None:
    before = len(deployment.linked_lines())
    deployment.put("/app/checkout", f"{GOOD} ERROR " + '"\\é' * 200_000)
    lines = eventually(deployment.linked_lines, lambda seen: len(seen) > before)
    longest = max(lines, key=lambda line: len(line.message))
    assert "more characters in the tracked log group]" in longest.message[-80:]
    assert eventually(lambda: deployment.metric("CutLines"), lambda count: count == 1) == 1


@pytest.mark.real_account
def test_items_expire_after_the_retention(deployment: Deployment) -> None:
    for item in deployment.items():
        arrived, expires = int(item["arrived"]["N"]), int(item["expires"]["N"])
        assert expires == arrived // 1000 + 30 * 86_400
    described = deployment.aws.client("dynamodb").describe_time_to_live(
        TableName=deployment.session_table
    )["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


class TestServiceAccount:
    def test_its_key_reads_the_tracked_log_groups(self, deployment: Deployment) -> None:
        key = deployment.key()
        assert set(key) == {
            "access_key_id",
            "secret_access_key",
            "region",
            "log_group_name",
        }
        assert key["log_group_name"] == "/app/checkout"
        assert key["region"] == deployment.aws.region
        logs = deployment.as_service_account("logs")
        for log_group in ("/app/checkout", "/app/search", "/aws/lambda/pay"):
            # What OpenReplay's poller asks for.
            found = logs.filter_log_events(
                logGroupName=log_group, filterPattern="openReplaySessionToken"
            )
            assert found["events"]

    @pytest.mark.parametrize(
        ("service", "operation", "parameters"),
        [
            ("logs", "filter_log_events", {"logGroupName": "/app/payroll"}),
            ("logs", "describe_log_groups", {}),
            ("logs", "describe_log_streams", {"logGroupName": "/app/checkout"}),
            ("logs", "get_log_events", {"logGroupName": "/app/checkout", "logStreamName": "x"}),
            ("logs", "delete_log_group", {"logGroupName": "/app/checkout"}),
            ("logs", "create_log_stream", {"logGroupName": "/app/checkout", "logStreamName": "x"}),
            (
                "logs",
                "put_retention_policy",
                {"logGroupName": "/app/checkout", "retentionInDays": 1},
            ),
            ("secretsmanager", "list_secrets", {}),
            ("iam", "list_users", {}),
            ("sts", "assume_role", {"RoleArn": "arn:aws:iam::0:role/x", "RoleSessionName": "xx"}),
            ("s3", "list_buckets", {}),
            ("lambda", "list_functions", {}),
            ("sqs", "list_queues", {}),
            ("dynamodb", "list_tables", {}),
            ("dynamodb", "scan", {"TableName": "SESSION_TABLE"}),
        ],
    )
    def test_every_other_call_is_denied(
        self, deployment: Deployment, service: str, operation: str, parameters: dict[str, Any]
    ) -> None:
        parameters = {
            name: deployment.session_table if value == "SESSION_TABLE" else value
            for name, value in parameters.items()
        }
        with pytest.raises(ClientError) as denied:
            getattr(deployment.as_service_account(service), operation)(**parameters)
        assert denied.value.response["Error"]["Code"].startswith("AccessDenied")

    def test_a_wrong_secret_is_refused(self, deployment: Deployment) -> None:
        logs = deployment.aws.client(
            "logs",
            access_key_id=deployment.key()["access_key_id"],
            secret_access_key="wrong",
        )
        with pytest.raises(ClientError):
            logs.filter_log_events(logGroupName="/app/checkout")


@pytest.mark.real_account
class TestPayloads:
    def test_the_control_message_of_every_filter_was_taken(self, deployment: Deployment) -> None:
        assert deployment.metric("UnusablePayloads") == 0

    def test_an_unusable_one_is_counted_and_becomes_a_dead_letter(
        self, deployment: Deployment
    ) -> None:
        answer = deployment.aws.client("lambda").invoke(
            FunctionName=deployment.validator, Payload=b'{"awslogs": {"data": "rubbish"}}'
        )
        assert "FunctionError" not in answer
        assert eventually(lambda: deployment.metric("UnusablePayloads"), lambda n: n == 1) == 1
        (letter,) = dead_letters(deployment)
        assert letter == {
            "awslogs": {"data": "rubbish"},
            "reason": "not a usable payload: its data is not base64",
        }


def dead_letters(deployment: Deployment) -> list[dict[str, Any]]:
    """Every dead letter, which is deleted."""
    sqs, queue = deployment.aws.client("sqs"), deployment.outputs["DeadLetterQueueUrl"]
    messages = eventually(
        lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []),
        bool,
    )
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def test_what_lambda_gives_up_on_is_kept_and_nothing_of_it_is_logged(
    deployment: Deployment,
) -> None:
    """The function may neither store nor queue: three tries, then the dead-letter queue."""
    iam = deployment.aws.client("iam")
    (role,) = [
        one["RoleName"] for one in iam.list_roles()["Roles"] if "ValidatorRole" in one["RoleName"]
    ]
    # Lambda sends to the dead-letter queue as the same role.
    refused = [
        {"Effect": "Deny", "Action": "dynamodb:BatchWriteItem", "Resource": "*"},
        {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:*Retry*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": refused})
    iam.put_role_policy(RoleName=role, PolicyName="refused", PolicyDocument=document)
    deployment.put("/app/checkout", f"{GOOD} ERROR refused by the bank")
    (letter,) = dead_letters(deployment)
    iam.delete_role_policy(RoleName=role, PolicyName="refused")
    assert "awslogs" in letter["requestPayload"]
    assert "AccessDenied" in json.dumps(letter["responsePayload"])
    assert "refused by the bank" not in json.dumps(letter["responsePayload"])


def test_nothing_of_a_line_is_in_the_functions_own_log(deployment: Deployment) -> None:
    printed = deployment.printed_by("ValidatorLogGroup")
    assert "OpenReplayCloudWatch" in printed
    for word in ("no stock left", "refused by the bank", str(SESSION), GOOD[24:-1], TOKEN_SECRET):
        assert word not in printed


def test_a_log_group_is_added(deployment: Deployment) -> None:
    deployment.aws.evaluate_iam(False)
    before = deployment.session_table, deployment.key()["access_key_id"]
    deployment.context["new_log_groups"] += ",/app/billing"
    deployment.deploy()
    deployment.aws.evaluate_iam(True)
    assert (deployment.session_table, deployment.key()["access_key_id"]) == before
    already = len(deployment.linked_lines())
    for log_group in ("/app/billing", "/app/checkout"):
        deployment.put(log_group, f"{GOOD} ERROR after the update")
    lines = eventually(deployment.linked_lines, lambda seen: len(seen) >= already + 2)
    late = {line.group for line in lines if line.message.endswith("after the update")}
    assert late == {"/app/billing", "/app/checkout"}


def test_a_higher_serial_replaces_the_key(deployment: Deployment) -> None:
    deployment.aws.evaluate_iam(False)
    old = deployment.key()
    deployment.context["key_serial"] = "2"
    deployment.deploy()
    deployment.aws.evaluate_iam(True)
    new = deployment.key()
    assert new["access_key_id"] != old["access_key_id"]
    assert deployment.as_service_account("logs").filter_log_events(logGroupName="/app/checkout")[
        "events"
    ]
    keys = deployment.aws.client("iam").list_access_keys(UserName="openreplay_cw")
    assert [one["AccessKeyId"] for one in keys["AccessKeyMetadata"]] == [new["access_key_id"]]


def test_the_secret_access_key_was_shown_nowhere(deployment: Deployment, aws: Emulator) -> None:
    secret = deployment.key()["secret_access_key"]
    everything = "\n".join([*deployment.printed, json.dumps(deployment.outputs)])
    for path in [aws.log_path, *Path(deployment.folder).rglob("*")]:
        if path.is_file():
            everything += path.read_text(errors="replace")
    assert secret not in everything
    assert TOKEN_SECRET not in everything


def test_nothing_is_left_behind(deployment: Deployment, aws: Emulator) -> None:
    aws.evaluate_iam(False)
    deployment.destroy()
    left = {
        "log groups": [
            one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]
        ],
        "users": [one["UserName"] for one in aws.client("iam").list_users()["Users"]],
        "groups": [one["GroupName"] for one in aws.client("iam").list_groups()["Groups"]],
        "roles": [
            one["RoleName"]
            for one in aws.client("iam").list_roles()["Roles"]
            if not one["RoleName"].startswith("cdk-")
        ],
        "policies": [
            one["PolicyName"] for one in aws.client("iam").list_policies(Scope="Local")["Policies"]
        ],
        "secrets": [
            one["Name"] for one in aws.client("secretsmanager").list_secrets()["SecretList"]
        ],
        "functions": aws.client("lambda").list_functions()["Functions"],
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "tables": aws.client("dynamodb").list_tables()["TableNames"],
        "APIs": aws.client("apigatewayv2").get_apis()["Items"],
        "topics": aws.client("sns").list_topics()["Topics"],
        "alarms": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": aws.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "filters on the group that was there": aws.client("logs").describe_subscription_filters(
            logGroupName="/aws/lambda/pay"
        )["subscriptionFilters"],
    }
    ours = {"log groups": ["/aws/lambda/pay"], "secrets": ["openreplay"]}
    assert left == {kind: ours.get(kind, []) for kind in left}
