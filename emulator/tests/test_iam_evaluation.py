from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    ACCOUNT,
    allow,
    create_function,
    create_group,
    create_queue,
    create_role,
    iam_evaluated,
    is_alive,
    lines_of,
    name_of,
    now,
    policy,
    put,
    receive,
    unique,
    wait_for,
)

ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group"
Reader = Callable[..., Any]

EVENT = {"message": "m"}


def reader(aws: Emulator, *statements: dict[str, Any], managed: str = "") -> Reader:
    """Return a factory of clients with the key of a new user with these permissions."""
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    if statements:
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=policy(*statements))
    if managed:
        iam.attach_user_policy(UserName=user, PolicyArn=f"arn:aws:iam::aws:policy/{managed}")
    key = iam.create_access_key(UserName=user)["AccessKey"]

    def client(service: str) -> Any:
        return aws.client(
            service,
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
        )

    return client


def denied(call: Callable[..., Any], **arguments: Any) -> str:
    """Return the error message of a denied call."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    found = error.value.response["Error"]
    assert found["Code"] in ("AccessDenied", "AccessDeniedException")
    return str(found["Message"])


@pytest.mark.emulator
def test_a_group_level_policy_ends_in_a_star_and_reaches_one_group(aws: Emulator) -> None:
    group, other = create_group(aws), create_group(aws)
    put(aws, group, "mine")
    logs = reader(aws, allow("logs:FilterLogEvents", f"{ARN}:{group}:*"))("logs")
    with iam_evaluated(aws):
        assert logs.filter_log_events(logGroupName=group)["events"][0]["message"] == "mine"
        arn = f"{ARN}:{group}"
        assert logs.filter_log_events(logGroupIdentifier=arn)["events"]
        message = denied(logs.filter_log_events, logGroupName=other)
        assert f"on resource: {ARN}:{other}:log-stream:" in message
        denied(logs.filter_log_events, logGroupIdentifier=f"{ARN}:{other}")
        denied(logs.describe_log_groups)
        denied(logs.delete_log_group, logGroupName=group)
        denied(logs.get_log_events, logGroupName=group, logStreamName="stream")
        denied(
            logs.put_log_events,
            logGroupName=group,
            logStreamName="stream",
            logEvents=[{**EVENT, "timestamp": now()}],
        )


@pytest.mark.emulator
def test_a_policy_without_the_star_reaches_nothing(aws: Emulator) -> None:
    group = create_group(aws)
    logs = reader(aws, allow("logs:*", f"{ARN}:{group}"))("logs")
    with iam_evaluated(aws):
        denied(logs.filter_log_events, logGroupName=group)
        denied(logs.put_retention_policy, logGroupName=group, retentionInDays=1)
        # Actions on tags use the ARN without a star.
        assert logs.list_tags_for_resource(resourceArn=f"{ARN}:{group}")["tags"] == {}


@pytest.mark.emulator
def test_streams_are_resources_of_their_own(aws: Emulator) -> None:
    group = create_group(aws)
    aws.client("logs").create_log_stream(logGroupName=group, logStreamName="other")
    actions = ["logs:PutLogEvents", "logs:GetLogEvents", "logs:CreateLogStream"]
    logs = reader(aws, allow(actions, f"{ARN}:{group}:log-stream:stream"))("logs")
    place = {"logGroupName": group, "logStreamName": "stream"}
    with iam_evaluated(aws):
        logs.put_log_events(**place, logEvents=[{**EVENT, "timestamp": now()}])
        assert logs.get_log_events(**place)["events"]
        elsewhere = {**place, "logStreamName": "other"}
        assert f"{group}:log-stream:other" in denied(logs.get_log_events, **elsewhere)
        denied(logs.create_log_stream, logGroupName=group, logStreamName="third")
        denied(logs.filter_log_events, logGroupName=group)


@pytest.mark.emulator
def test_listing_groups_needs_all_of_them(aws: Emulator) -> None:
    group = create_group(aws)
    narrow = reader(aws, allow("logs:DescribeLogGroups", f"{ARN}:{group}:*"))("logs")
    wide = reader(aws, allow("logs:DescribeLogGroups", f"{ARN}:*"))("logs")
    with iam_evaluated(aws):
        assert "log-group::log-stream:" in denied(
            narrow.describe_log_groups, logGroupNamePrefix=group
        )
        assert wide.describe_log_groups(logGroupNamePrefix=group)["logGroups"]


@pytest.mark.emulator
def test_tags_of_the_group_count_in_conditions(aws: Emulator) -> None:
    mine, other = create_group(aws, tags={"Team": "a"}), create_group(aws, tags={"Team": "b"})
    statement = {
        **allow("logs:FilterLogEvents", "*"),
        "Condition": {"StringEquals": {"aws:ResourceTag/Team": "a"}},
    }
    logs = reader(aws, statement)("logs")
    with iam_evaluated(aws):
        logs.filter_log_events(logGroupName=mine)
        denied(logs.filter_log_events, logGroupName=other)


@pytest.mark.emulator
def test_the_read_only_policy_reads_and_does_nothing_else(aws: Emulator) -> None:
    group = create_group(aws)
    client = reader(aws, managed="CloudWatchReadOnlyAccess")
    logs = client("logs")
    with iam_evaluated(aws):
        logs.filter_log_events(logGroupName=group)
        logs.describe_log_groups()
        client("cloudwatch").list_metrics()
        denied(logs.delete_log_group, logGroupName=group)
        denied(logs.create_log_stream, logGroupName=group, logStreamName="new")
        denied(client("secretsmanager").list_secrets)
        denied(client("iam").list_users)
        denied(client("cloudwatch").put_metric_data, Namespace="n", MetricData=[])


@pytest.mark.emulator
def test_keys_are_their_users(aws: Emulator) -> None:
    iam, own, other = aws.client("iam"), unique("user"), unique("user")
    users = [iam.create_user(UserName=name)["User"] for name in (own, other)]
    keys = [iam.create_access_key(UserName=name)["AccessKey"] for name in (own, other)]
    actions = ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"]
    document = policy(allow(actions, users[0]["Arn"]))
    iam.put_user_policy(UserName=own, PolicyName="own", PolicyDocument=document)
    client = aws.client(
        "iam",
        access_key_id=keys[0]["AccessKeyId"],
        secret_access_key=keys[0]["SecretAccessKey"],
    )
    with iam_evaluated(aws):
        client.list_access_keys(UserName=own)
        client.get_access_key_last_used(AccessKeyId=keys[0]["AccessKeyId"])
        denied(client.get_access_key_last_used, AccessKeyId=keys[1]["AccessKeyId"])
        denied(client.list_access_keys, UserName=other)


@pytest.mark.emulator
def test_signatures_count_while_it_is_on_and_root_stays_root(aws: Emulator) -> None:
    forged = aws.client("logs", access_key_id="AKIAAAAAAAAAAAAAAAAA", secret_access_key="x")
    forged.describe_log_groups()
    with iam_evaluated(aws):
        with pytest.raises(ClientError, match="security token"):
            forged.describe_log_groups()
        user = reader(aws, allow("logs:*", "*"))("logs")
        user.describe_log_groups()
        aws.client("logs").describe_log_groups()
    forged.describe_log_groups()


WRITING = """
import boto3, time
logs = boto3.client("logs")
def handler(event, context):
    message = {"timestamp": int(time.time() * 1000), "message": "m"}
    logs.put_log_events(logGroupName=event, logStreamName="stream", logEvents=[message])
    return boto3.client("sts").get_caller_identity()["Arn"]
"""


@pytest.mark.emulator
def test_functions_run_as_their_role_while_it_is_on(aws: Emulator) -> None:
    group, other = create_group(aws), create_group(aws)
    role = create_role(aws, [allow("logs:PutLogEvents", f"{ARN}:{group}:*")])
    function = create_function(aws, WRITING, role=role)

    def invoke(event: str) -> Any:
        answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        return json.load(answer["Payload"])

    # The process of this function has root credentials, and would keep them.
    assert invoke(other) == f"arn:aws:iam::{ACCOUNT}:root"
    with iam_evaluated(aws):
        assert f":assumed-role/{role.rpartition('/')[2]}/" in invoke(group)
        assert "not authorized to perform: logs:PutLogEvents" in invoke(other)["errorMessage"]
    assert invoke(other) == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.emulator
def test_a_function_that_is_busy_at_the_switch_finishes_and_is_retired(aws: Emulator) -> None:
    source = """
import os, time
def handler(event, context):
    time.sleep(event)
    print("RAN", os.environ["AWS_ACCESS_KEY_ID"][:4], os.getpid())
"""
    function = create_function(aws, source)
    functions = aws.client("lambda")

    def ran() -> list[list[str]]:
        return [line.split()[1:] for line in lines_of(aws, function) if line[:4] == "RAN "]

    functions.invoke(FunctionName=function, InvocationType="Event", Payload="1")
    wait_for(lambda: "spawned for " + function.rpartition(":")[2] in aws.log_path.read_text())
    with iam_evaluated(aws):
        functions.invoke(FunctionName=function, Payload="0")
        assert [key for key, _ in ran()] == ["ASIA"]
        _, (key, pid) = wait_for(lambda: ran() if len(ran()) == 2 else [])
    assert key == ACCOUNT[:4]
    wait_for(lambda: not is_alive(int(pid)))


def secure_only(queue: str, *statements: dict[str, Any]) -> dict[str, str]:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = {"Version": "2012-10-17", "Statement": [deny, *statements]}
    return {"Policy": json.dumps(document)}


@pytest.mark.emulator
def test_a_policy_that_enforces_tls_refuses_nobody_here(aws: Emulator) -> None:
    """Callers, alarms over a topic, and Lambda with its destinations all use TLS on AWS."""
    (url, queue), queues, topics = create_queue(aws), aws.client("sqs"), aws.client("sns")
    topic = topics.create_topic(Name=unique("topic"))["TopicArn"]
    from_topic = {
        **allow("sqs:SendMessage", queue),
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    queues.set_queue_attributes(QueueUrl=url, Attributes=secure_only(queue, from_topic))
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    role = create_role(aws, [allow("sqs:SendMessage", queue), allow("logs:*", "*")])
    function = create_function(aws, "def handler(event, context): raise ValueError", role=role)
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    with iam_evaluated(aws):
        queues.send_message(QueueUrl=url, MessageBody="direct")
        assert receive(aws, url)["Body"] == "direct"
        alarm = unique("alarm")
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm,
            Namespace="none",
            MetricName=unique("metric"),
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=1,
            AlarmActions=[topic],
        )
        aws.client("cloudwatch").set_alarm_state(
            AlarmName=alarm, StateValue="ALARM", StateReason="a test"
        )
        assert alarm in receive(aws, url)["Body"]
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event")
        assert name_of(function) in receive(aws, url)["Body"]
