from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator import Emulator, EmulatorError
from emulator.tests.support import (
    create_function,
    create_group,
    lines_of,
    now,
    put,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator


@pytest.fixture(autouse=True)
def _without_faults(aws: Emulator) -> Iterator[None]:
    yield
    aws.clear_faults()


def once(aws: Emulator, service: str) -> Any:
    """A client that does not retry."""
    return boto3.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


def status(error: pytest.ExceptionInfo[ClientError]) -> int:
    return int(error.value.response["ResponseMetadata"]["HTTPStatusCode"])


def create_secret(aws: Emulator) -> str:
    created = aws.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="old")
    return str(created["ARN"])


def value(aws: Emulator, arn: str) -> str:
    return str(aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def test_json_calls_fail_and_are_not_made(aws: Emulator) -> None:
    secrets, arn = once(aws, "secretsmanager"), create_secret(aws)
    assert aws.inject_fault("secretsmanager", "PutSecretValue", times=2) == 0
    for _ in range(2):
        with refused("InternalServiceError") as error:
            secrets.put_secret_value(SecretId=arn, SecretString="new")
        assert status(error) == 500
        assert value(aws, arn) == "old"
    secrets.put_secret_value(SecretId=arn, SecretString="new")
    assert value(aws, arn) == "new"
    assert aws.faults_met() == [2]


def test_a_modelled_error_can_be_caught_by_its_class(aws: Emulator) -> None:
    logs, group = once(aws, "logs"), create_group(aws)
    aws.inject_fault("logs", "PutLogEvents", error="ServiceUnavailableException", status=503)
    events = [{"timestamp": now(), "message": "x"}]
    with pytest.raises(logs.exceptions.ServiceUnavailableException) as error:
        logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)
    assert status(error) == 503


def test_query_and_rest_calls_fail_in_their_form(aws: Emulator) -> None:
    user = unique("user")
    aws.inject_fault("iam", "CreateUser", error="ServiceFailure", match=user)
    with refused("ServiceFailure"):
        once(aws, "iam").create_user(UserName=user)
    with refused("NoSuchEntity"):
        aws.client("iam").get_user(UserName=user)
    aws.client("iam").create_user(UserName=user)
    aws.inject_fault("lambda", "GetFunction", error="ServiceException")
    function = create_function(aws, "def handler(event, context): return 1")
    functions = once(aws, "lambda")
    with pytest.raises(functions.exceptions.ServiceException):
        functions.get_function(FunctionName=function)
    aws.inject_fault("s3", "ListAllMyBuckets", error="SlowDown", status=503)
    with refused("SlowDown"):
        once(aws, "s3").list_buckets()
    aws.inject_fault("cloudwatch", "PutMetricData", error="InternalServiceFault")
    with refused("InternalServiceFault"):
        once(aws, "cloudwatch").put_metric_data(
            Namespace="own", MetricData=[{"MetricName": "m", "Value": 1.0}]
        )
    assert aws.faults_met() == [1, 1, 1, 1]


def test_what_others_call_goes_on(aws: Emulator) -> None:
    arn = create_secret(aws)
    aws.inject_fault("secretsmanager", "PutSecretValue", match="another-secret")
    aws.inject_fault("logs", "GetSecretValue")
    secrets = once(aws, "secretsmanager")
    secrets.put_secret_value(SecretId=arn, SecretString="new")
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "new"
    assert aws.faults_met() == [0, 0]


def test_every_attempt_of_boto3_counts(aws: Emulator) -> None:
    arn = create_secret(aws)
    aws.inject_fault("secretsmanager", "GetSecretValue", times=2)
    assert value(aws, arn) == "old"
    assert aws.faults_met() == [2]
    # A client error is not retried.
    aws.inject_fault("secretsmanager", "GetSecretValue", error="AccessDeniedException", status=400)
    with refused("AccessDeniedException"):
        value(aws, arn)


def test_an_answer_can_be_withheld(aws: Emulator) -> None:
    arn = create_secret(aws)
    aws.inject_fault("secretsmanager", "PutSecretValue", after=True)
    with refused("InternalServiceError"):
        once(aws, "secretsmanager").put_secret_value(SecretId=arn, SecretString="new")
    assert value(aws, arn) == "new"


def test_a_repeated_call_whose_answer_was_withheld_is_made_twice(aws: Emulator) -> None:
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    aws.inject_fault("iam", "CreateAccessKey", error="ServiceFailure", after=True)
    iam.create_access_key(UserName=user)
    assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 2


def test_a_delay_alone_lets_the_call_through(aws: Emulator) -> None:
    arn = create_secret(aws)
    aws.inject_fault("secretsmanager", "GetSecretValue", error="", delay=0.3)
    started = time.monotonic()
    assert value(aws, arn) == "old"
    assert time.monotonic() - started >= 0.3
    assert aws.faults_met() == [1]


def test_faults_last_until_they_are_cleared(aws: Emulator) -> None:
    logs, group = once(aws, "logs"), create_group(aws)
    events = [{"timestamp": now(), "message": "x"}]
    aws.inject_fault("logs", "PutLogEvents", times=None)
    for _ in range(7):
        with refused("InternalServiceError"):
            logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)
    assert aws.faults_met() == [7]
    aws.clear_faults()
    assert aws.faults_met() == []
    put(aws, group, "x")


def test_a_share_of_the_calls_fails_the_same_way_each_time(aws: Emulator) -> None:
    def outcomes(seed: int) -> list[bool]:
        aws.clear_faults()
        aws.inject_fault("sts", "GetCallerIdentity", times=None, share=0.5, seed=seed)
        found = []
        for _ in range(24):
            try:
                once_client.get_caller_identity()
                found.append(True)
            except ClientError:
                found.append(False)
        assert aws.faults_met() == [found.count(False)]
        return found

    once_client = once(aws, "sts")
    first = outcomes(1)
    assert outcomes(1) == first
    assert {True, False} == set(first)
    assert outcomes(2) != first


DYING = """
import boto3
def handler(event, context):
    secrets = boto3.client("secretsmanager")
    print("ATTEMPT", context.aws_request_id)
    secrets.put_secret_value(SecretId=event, SecretString="new")
    print("SURVIVED")
    return "done"
"""


@pytest.mark.parametrize("after", [False, True])
def test_a_function_can_die_with_its_call_under_way(aws: Emulator, after: bool) -> None:
    arn, function = create_secret(aws), create_function(aws, DYING)
    aws.inject_fault("secretsmanager", "PutSecretValue", kill=True, after=after, match=arn)
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(arn))
    assert answer["FunctionError"] == "Unhandled"
    assert value(aws, arn) == ("new" if after else "old")
    lines = wait_for(lambda: lines_of(aws, function))
    assert not any("SURVIVED" in line for line in lines)
    # The next invocation has a new process.
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(arn))
    assert json.load(answer["Payload"]) == "done"


def test_an_event_whose_function_died_is_retried(aws: Emulator) -> None:
    arn, function = create_secret(aws), create_function(aws, DYING)
    aws.inject_fault("secretsmanager", "PutSecretValue", kill=True, times=2, match=arn)
    aws.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(arn)
    )
    wait_for(lambda: value(aws, arn) == "new")
    wait_for(lambda: any("SURVIVED" in line for line in lines_of(aws, function)))
    lines = lines_of(aws, function)
    assert len([line for line in lines if line.startswith("ATTEMPT")]) == 3


def test_what_is_no_fault_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match="nonsense"):
        aws._control("POST", "faults", {"nonsense": 1})
    with pytest.raises(EmulatorError, match="There is no"):
        aws._control("GET", "unknown")
    assert aws.faults_met() == []
