from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.conftest import MINUTE
from emulator.tests.support import (
    FAILING,
    allow,
    create_function,
    create_group,
    create_queue,
    create_role,
    decoded,
    lines_of,
    name_of,
    put,
    receive,
    subscribe,
    wait_for,
)

pytestmark = pytest.mark.emulator

SLOW = """
import time
def handler(event, context):
    time.sleep(0.2)
    print("RAN", event.get("number"))
    return {"number": event.get("number")}
"""


def invoke(aws: Emulator, function: str, event: Any) -> None:
    aws.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event)
    )


def configure(aws: Emulator, function: str, **settings: Any) -> None:
    aws.client("lambda").put_function_event_invoke_config(FunctionName=function, **settings)


def to(queue: str) -> dict[str, Any]:
    return {"OnFailure": {"Destination": queue}}


def attempts(aws: Emulator, function: str) -> list[str]:
    """The request ids of the attempts of a function with the source FAILING."""
    lines = lines_of(aws, function)
    return [line.split()[1] for line in lines if line.startswith("ATTEMPT")]


def count(aws: Emulator, function: str, metric: str) -> float:
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": name_of(function)}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_a_failed_delivery_is_retried_and_ends_in_the_queue(aws: Emulator) -> None:
    function, group = create_function(aws, FAILING), create_group(aws)
    url, arn = create_queue(aws)
    configure(aws, function, DestinationConfig=to(arn))
    subscribe(aws, group, function)
    started = time.monotonic()
    put(aws, group, "precious")
    record = json.loads(receive(aws, url)["Body"])
    # One minute after the first attempt and two after the second.
    assert time.monotonic() - started >= 3 * float(MINUTE)
    assert decoded(record.pop("requestPayload"))["logEvents"][0]["message"] == "precious"
    request_id = record["requestContext"].pop("requestId")
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "functionArn": f"{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "refused", "errorType": "Runtime.HandlerError"},
    }
    # The control message before it failed once, was not tried again, and left no record.
    wait_for(lambda: len(attempts(aws, function)) == 4)
    assert attempts(aws, function).count(request_id) == 3


def test_settings_of_the_function_count(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    url, arn = create_queue(aws)
    configure(aws, function, MaximumRetryAttempts=0, DestinationConfig=to(arn))
    invoke(aws, function, {})
    record = json.loads(receive(aws, url)["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert len(attempts(aws, function)) == 1
    assert count(aws, function, "Invocations") == 1
    assert count(aws, function, "Errors") == 1
    assert count(aws, function, "AsyncEventsDropped") == 1


def test_an_event_that_gets_too_old_is_given_up() -> None:
    # With a minute per minute, the second attempt would exceed the event's maximum age.
    with Emulator(extra_environment={"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "61"}) as aws:
        function = create_function(aws, FAILING)
        url, arn = create_queue(aws)
        configure(
            aws,
            function,
            MaximumEventAgeInSeconds=60,
            DestinationConfig=to(arn),
        )
        invoke(aws, function, {})
        record = json.loads(receive(aws, url)["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_throttled_events_wait_and_use_up_no_attempt(aws: Emulator) -> None:
    function = create_function(aws, SLOW)
    url, arn = create_queue(aws)
    configure(aws, function, MaximumRetryAttempts=0, DestinationConfig=to(arn))
    aws.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=1
    )
    for number in range(3):
        invoke(aws, function, {"number": number})

    def ran() -> list[str]:
        return sorted(line for line in lines_of(aws, function) if line.startswith("RAN"))

    wait_for(lambda: ran() == ["RAN 0", "RAN 1", "RAN 2"])
    assert count(aws, function, "Throttles") > 0
    assert count(aws, function, "Invocations") == 3
    assert "Messages" not in aws.client("sqs").receive_message(QueueUrl=url)


def test_no_concurrency_at_all_sends_the_event_to_the_queue_at_once(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    url, arn = create_queue(aws)
    configure(aws, function, DestinationConfig=to(arn))
    aws.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=0
    )
    invoke(aws, function, {"number": 1})
    record = json.loads(receive(aws, url)["Body"])
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == {"number": 1}
    assert "responsePayload" not in record
    assert attempts(aws, function) == []


def test_a_retry_runs_the_code_deployed_meanwhile(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    successor = aws.client("lambda").get_function(FunctionName=create_function(aws, SLOW))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(successor["Code"]["Location"]) as download:
        code = download.read()
    invoke(aws, function, {"number": 7})
    wait_for(lambda: attempts(aws, function))
    aws.client("lambda").update_function_code(FunctionName=function, ZipFile=code)
    wait_for(lambda: "RAN 7" in lines_of(aws, function))


def test_a_synchronous_throttle_is_no_invocation(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    functions = aws.client("lambda")
    functions.meta.events.unregister("needs-retry.lambda", unique_id="retry-config-lambda")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        functions.invoke(FunctionName=function)
    assert count(aws, function, "Throttles") == 1
    assert count(aws, function, "Invocations") == 0


def test_the_age_of_an_event_is_a_metric_of_every_attempt(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    configure(aws, function, MaximumRetryAttempts=1)
    invoke(aws, function, {})
    wait_for(lambda: len(attempts(aws, function)) == 2)
    # The second attempt came a minute after the event.
    wait_for(lambda: count(aws, function, "AsyncEventAge") >= float(MINUTE) * 1000)
    assert count(aws, function, "AsyncEventsReceived") == 1


def test_what_cannot_be_delivered_is_counted(aws: Emulator) -> None:
    function = create_function(aws, FAILING)
    url, queue = create_queue(aws)
    configure(aws, function, MaximumRetryAttempts=0, DestinationConfig=to(queue))
    aws.client("sqs").delete_queue(QueueUrl=url)
    invoke(aws, function, {})
    wait_for(lambda: count(aws, function, "DestinationDeliveryFailures") == 1)
    assert count(aws, function, "AsyncEventsDropped") == 1


def test_the_role_has_to_be_able_to_send(aws: Emulator) -> None:
    url, queue = create_queue(aws)
    role = create_role(aws, [allow("sqs:SendMessage", queue)])
    function = create_function(aws, FAILING, role=role)
    configure(aws, function, MaximumRetryAttempts=0, DestinationConfig=to(queue))
    aws.client("iam").delete_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own")
    invoke(aws, function, {})
    wait_for(lambda: count(aws, function, "DestinationDeliveryFailures") == 1)
    assert "Messages" not in aws.client("sqs").receive_message(QueueUrl=url)
    with pytest.raises(ClientError, match="permissions to call SendMessage"):
        configure(aws, function, DestinationConfig=to(queue))
