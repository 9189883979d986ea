from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    ACCOUNT,
    allow,
    create_group,
    create_logs_role,
    create_role,
    create_stream,
    deploy,
    now,
    outputs,
    policy,
    put,
    records_of,
    unique,
)

pytestmark = pytest.mark.emulator

OTHER_ACCOUNT = "111111111111"


@pytest.fixture(scope="module")
def stream(aws: Emulator) -> str:
    return create_stream(aws, shards=4)


@pytest.fixture(scope="module")
def role(aws: Emulator, stream: str) -> str:
    return create_logs_role(aws, [allow("kinesis:PutRecord", stream)])


def subscribe(logs: Any, group: str, destination: str, **arguments: str) -> None:
    logs.put_subscription_filter(
        logGroupName=group,
        filterName=unique("filter"),
        filterPattern="wanted",
        destinationArn=destination,
        **arguments,
    )


def refusal(logs: Any, group: str, destination: str, **arguments: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        subscribe(logs, group, destination, **arguments)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def documents(aws: Emulator, stream: str, group: str) -> list[dict[str, Any]]:
    found = [json.loads(gzip.decompress(record["Data"])) for record in records_of(aws, stream)]
    return [document for document in found if document["logGroup"] == group]


def shards_of(aws: Emulator, stream: str, group: str) -> set[str]:
    return {
        record["ShardId"]
        for record in records_of(aws, stream)
        if json.loads(gzip.decompress(record["Data"]))["logGroup"] == group
    }


def metric(aws: Emulator, name: str, group: str) -> float:
    metrics = aws.client("cloudwatch")
    listed = metrics.list_metrics(Namespace="AWS/Logs", MetricName=name)["Metrics"]
    mine = [one for one in listed if {"Name": "LogGroupName", "Value": group} in one["Dimensions"]]
    points = [
        metrics.get_metric_statistics(
            **one, StartTime=0, EndTime=now() / 1000 + 60, Period=86400, Statistics=["Sum"]
        )["Datapoints"]
        for one in mine
    ]
    return float(sum(point["Sum"] for found in points for point in found))


def test_a_stream_gets_the_document_compressed(aws: Emulator, stream: str, role: str) -> None:
    group, logs = create_group(aws), aws.client("logs")
    subscribe(logs, group, stream, roleArn=role)
    put(aws, group, "wanted", "other", "wanted too")
    (document,) = documents(aws, stream, group)
    assert document["messageType"] == "DATA_MESSAGE"
    assert document["owner"] == ACCOUNT
    assert [event["message"] for event in document["logEvents"]] == ["wanted", "wanted too"]
    control = documents(aws, stream, "")
    assert {one["messageType"] for one in control} == {"CONTROL_MESSAGE"}
    assert metric(aws, "ForwardedLogEvents", group) == 2
    assert metric(aws, "ForwardedBytes", group) > 0


def test_a_log_stream_stays_in_a_shard_unless_spread(aws: Emulator, stream: str, role: str) -> None:
    logs = aws.client("logs")
    kept, spread = create_group(aws), create_group(aws)
    subscribe(logs, kept, stream, roleArn=role)
    subscribe(logs, spread, stream, roleArn=role, distribution="Random")
    for number in range(24):
        put(aws, kept, f"wanted {number}")
        put(aws, spread, f"wanted {number}")
    assert len(shards_of(aws, stream, kept)) == 1
    assert len(shards_of(aws, stream, spread)) > 1
    assert len(documents(aws, stream, spread)) == 24


def test_an_accounts_policy_spreads_too(aws: Emulator, stream: str, role: str) -> None:
    logs, group = aws.client("logs"), create_group(aws)
    document = {"DestinationArn": stream, "RoleArn": role, "Distribution": "Random"}
    names = {"policyName": unique("policy"), "policyType": "SUBSCRIPTION_FILTER_POLICY"}
    answer = logs.put_account_policy(**names, policyDocument=json.dumps(document))
    try:
        assert json.loads(answer["accountPolicy"]["policyDocument"]) == document
        for number in range(24):
            put(aws, group, f"wanted {number}")
        assert len(shards_of(aws, stream, group)) > 1
    finally:
        logs.delete_account_policy(**names)


def test_a_distribution_is_kept(aws: Emulator, stream: str, role: str) -> None:
    logs, group = aws.client("logs"), create_group(aws)
    properties = {
        "LogGroupName": group,
        "FilterPattern": "wanted",
        "DestinationArn": stream,
        "RoleArn": role,
        "Distribution": "Random",
    }
    resource = {"Type": "AWS::Logs::SubscriptionFilter", "Properties": properties}
    assert deploy(aws, unique("stack"), {"Filter": resource})["StackStatus"] == "CREATE_COMPLETE"
    (found,) = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert found["distribution"] == "Random"


def test_the_role_must_be_able_to_put_records(aws: Emulator, stream: str, role: str) -> None:
    group, logs = create_group(aws), aws.client("logs")
    undelivered = "Could not deliver test message to specified Kinesis stream"
    unable = create_logs_role(aws, [allow("kinesis:PutRecord", f"{stream}-other")])
    not_for_logs = create_role(aws, [allow("kinesis:PutRecord", stream)])
    missing = f"arn:aws:iam::{ACCOUNT}:role/missing"
    for bad in (unable, not_for_logs, missing):
        code, message = refusal(logs, group, stream, roleArn=bad)
        assert (code, undelivered in message) == ("InvalidParameterException", True)
    assert undelivered in refusal(logs, group, f"{stream}-none", roleArn=role)[1]


def test_a_delivery_that_fails_counts_its_events(aws: Emulator) -> None:
    group, logs, iam = create_group(aws), aws.client("logs"), aws.client("iam")
    stream = create_stream(aws)
    role = create_logs_role(aws, [allow("kinesis:PutRecord", stream)])
    subscribe(logs, group, stream, roleArn=role)
    iam.delete_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyName="own")
    put(aws, group, "wanted", "wanted", "other")
    assert documents(aws, stream, group) == []
    assert metric(aws, "DeliveryErrors", group) == 2
    assert metric(aws, "ForwardedLogEvents", group) == 0


def test_an_account_policy_sends_to_a_stream(aws: Emulator, stream: str, role: str) -> None:
    group, logs = create_group(aws), aws.client("logs")
    document = {"DestinationArn": stream, "RoleArn": role, "FilterPattern": "wanted"}
    kind, name = "SUBSCRIPTION_FILTER_POLICY", unique("policy")
    logs.put_account_policy(policyName=name, policyType=kind, policyDocument=json.dumps(document))
    put(aws, group, "wanted")
    logs.delete_account_policy(policyName=name, policyType=kind)
    assert [one["policyLevel"] for one in documents(aws, stream, group)] == ["ACCOUNT_LEVEL_POLICY"]


def destination(stream: str, role: str, name: str, *accounts: str) -> dict[str, Any]:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:destination:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": list(accounts)},
        "Action": "logs:PutSubscriptionFilter",
        "Resource": arn,
    }
    return {
        "Destination": {
            "Type": "AWS::Logs::Destination",
            "Properties": {
                "DestinationName": name,
                "TargetArn": stream,
                "RoleArn": role,
                "DestinationPolicy": policy(statement),
            },
        }
    }


def test_another_account_sends_through_a_logs_destination(
    aws: Emulator, stream: str, role: str
) -> None:
    name = unique("destination")
    stack = deploy(aws, unique("stack"), destination(stream, role, name, OTHER_ACCOUNT))
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert outputs(stack)["DestinationRef"] == name
    (found,) = aws.client("logs").describe_destinations(DestinationNamePrefix=name)["destinations"]
    logs = aws.client("logs", access_key_id=OTHER_ACCOUNT)
    group = unique("group")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    subscribe(logs, group, found["arn"])
    logs.put_log_events(
        logGroupName=group,
        logStreamName="stream",
        logEvents=[{"timestamp": now(), "message": "wanted"}],
    )
    assert [one["owner"] for one in documents(aws, stream, group)] == [OTHER_ACCOUNT]
    own_group = create_group(aws)
    assert refusal(aws.client("logs"), own_group, found["arn"])[0] == "AccessDeniedException"
    assert "destination is valid" in refusal(logs, group, f"{found['arn']}-none")[1]


def test_a_logs_destination_is_tried_when_put(aws: Emulator, stream: str) -> None:
    unable = create_logs_role(aws, [])
    with pytest.raises(ClientError, match="Could not deliver test message"):
        aws.client("logs").put_destination(
            destinationName=unique("destination"), targetArn=stream, roleArn=unable
        )
