"""Helpers of the emulator's tests."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from emulator import Emulator

ACCOUNT = "000000000000"
T = TypeVar("T")

# Prints what CloudWatch Logs delivered, so that the function's log group holds it.
PRINTING = """
import base64, gzip, json
def handler(event, context):
    if "awslogs" in event:
        print("DELIVERED " + gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode())
    return "done"
"""
FAILING = """
def handler(event, context):
    print("ATTEMPT", context.aws_request_id)
    raise RuntimeError("refused")
"""


def unique(prefix: str) -> str:
    """Return a unique name."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def now() -> int:
    """Return the time in milliseconds."""
    return int(time.time() * 1000)


def wait_for(find: Callable[[], T], seconds: float = 30.0) -> T:
    """Call `find` until it returns a true value, and return that value."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"nothing within {seconds} seconds"
        time.sleep(0.02)
    return found


def create_role(aws: Emulator, statements: list[dict[str, Any]] | None = None) -> str:
    """Create an execution role with these policy statements, and return its ARN."""
    iam = aws.client("iam")
    name = unique("role")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return str(role["Arn"])


def create_logs_role(aws: Emulator, statements: list[dict[str, Any]]) -> str:
    """Create a role that CloudWatch Logs may assume, and return its ARN."""
    iam = aws.client("iam")
    name = unique("role")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "logs.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return str(role["Arn"])


def create_stream(aws: Emulator, *, shards: int = 1) -> str:
    """Create a Kinesis stream and return its ARN."""
    kinesis = aws.client("kinesis")
    name = unique("stream")
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return str(summary["StreamARN"])


def records_of(aws: Emulator, stream: str) -> list[dict[str, Any]]:
    """Return every record of a Kinesis stream, with the shard it is in."""
    kinesis = aws.client("kinesis")
    found: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamARN=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamARN=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        found += [{**record, "ShardId": shard["ShardId"]} for record in records]
    return found


def policy(*statements: dict[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resources: str | list[str]) -> dict[str, Any]:
    """Return a statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def create_function(
    aws: Emulator,
    source: str,
    *,
    role: str | None = None,
    open_to_logs: bool = True,
    timeout: int = 3,
    runtime: str = "python3.12",
    handler: str = "index.handler",
    **options: Any,
) -> str:
    """Create a function from the source of its module, and return its ARN."""
    archive = zipped({"index.py" if runtime.startswith("python") else "index.js": source})
    functions = aws.client("lambda")
    name = unique("function")
    created = functions.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler=handler,
        Role=role or f"arn:aws:iam::{ACCOUNT}:role/none",
        Code={"ZipFile": archive},
        Timeout=timeout,
        **options,
    )
    if open_to_logs:
        permit_logs(aws, name)
    return str(created["FunctionArn"])


def zipped(files: dict[str, str]) -> bytes:
    """Return an archive of executable files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            content.writestr(entry, text)
    return archive.getvalue()


def permit_logs(aws: Emulator, function: str, **conditions: str) -> None:
    """Allow CloudWatch Logs to invoke a function."""
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId=unique("logs"),
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        **conditions,
    )


def create_group(aws: Emulator, **options: Any) -> str:
    """Create a log group with a stream named "stream", and return the group's name."""
    logs = aws.client("logs")
    name = unique("group")
    logs.create_log_group(logGroupName=name, **options)
    logs.create_log_stream(logGroupName=name, logStreamName="stream")
    return name


def put(aws: Emulator, group: str, *messages: str, timestamp: int | None = None) -> Any:
    """Put messages into the stream of a group."""
    stamp = now() if timestamp is None else timestamp
    events = [{"timestamp": stamp, "message": message} for message in messages]
    return aws.client("logs").put_log_events(
        logGroupName=group, logStreamName="stream", logEvents=events
    )


def subscribe(aws: Emulator, group: str, function: str, pattern: str = "") -> None:
    """Subscribe a function to a group."""
    aws.client("logs").put_subscription_filter(
        logGroupName=group,
        filterName=unique("filter"),
        filterPattern=pattern,
        destinationArn=function,
    )


def lines_of(aws: Emulator, function: str) -> list[str]:
    """Return everything a function has printed."""
    group = f"/aws/lambda/{name_of(function)}"
    logs = aws.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def deliveries(aws: Emulator, function: str, kind: str = "DATA_MESSAGE") -> list[dict[str, Any]]:
    """Return the payloads that a function with the source PRINTING got from CloudWatch Logs."""
    contents = [
        json.loads(line.removeprefix("DELIVERED "))
        for line in lines_of(aws, function)
        if line.startswith("DELIVERED ")
    ]
    return [content for content in contents if content["messageType"] == kind]


def delivered_messages(aws: Emulator, function: str) -> list[str]:
    """Return the messages that a function with the source PRINTING received."""
    return [
        event["message"] for payload in deliveries(aws, function) for event in payload["logEvents"]
    ]


def is_alive(pid: int) -> bool:
    """Return whether a process is running. A zombie is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").exists()


def name_of(function: str) -> str:
    """Return the name of the function with an ARN."""
    return function.partition(":function:")[2]


def create_http_api(aws: Emulator, function: str) -> str:
    """Create an HTTP API that passes every request to a function, and return its id."""
    apis = aws.client("apigatewayv2")
    api: str = apis.create_api(Name=unique("api"), ProtocolType="HTTP")["ApiId"]
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function,
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    for path in ("/", "/{proxy+}"):
        apis.create_route(ApiId=api, RouteKey=f"ANY {path}", Target=f"integrations/{integration}")
    apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return api


def create_queue(aws: Emulator) -> tuple[str, str]:
    """Create a queue and return its URL and ARN."""
    queues = aws.client("sqs")
    url = queues.create_queue(QueueName=unique("queue"))["QueueUrl"]
    found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, found["Attributes"]["QueueArn"]


def receive(aws: Emulator, url: str) -> dict[str, Any]:
    """Return the next message of a queue."""
    answer = aws.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"]
    )
    messages: list[dict[str, Any]] = answer["Messages"]
    return messages[0]


def decoded(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a payload from CloudWatch Logs."""
    content: dict[str, Any] = json.loads(
        gzip.decompress(base64.b64decode(payload["awslogs"]["data"]))
    )
    return content


def deploy(aws: Emulator, name: str, resources: dict[str, Any]) -> dict[str, Any]:
    """Create or update a stack, wait until it is done, and return its description."""
    stacks = aws.client("cloudformation")
    arguments: dict[str, Any] = {
        "StackName": name,
        "TemplateBody": json.dumps(
            {
                "Resources": resources,
                "Outputs": {
                    f"{logical_id}{suffix}": {"Value": value}
                    for logical_id, resource in resources.items()
                    for suffix, value in outputs_of(logical_id, resource).items()
                },
            }
        ),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    exists = False
    with contextlib.suppress(stacks.exceptions.ClientError):
        exists = bool(stacks.describe_stacks(StackName=name)["Stacks"])
    (stacks.update_stack if exists else stacks.create_stack)(**arguments)
    return settle(aws, name)


def outputs_of(logical_id: str, resource: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs that `deploy` gives every resource: Ref, and a key's secret."""
    outputs: dict[str, Any] = {"Ref": {"Ref": logical_id}}
    if resource["Type"] == "AWS::IAM::AccessKey":
        outputs["Secret"] = {"Fn::GetAtt": [logical_id, "SecretAccessKey"]}
    return outputs


def settle(aws: Emulator, name: str) -> dict[str, Any]:
    """Wait until nothing is in progress in a stack, and return its description."""
    stacks = aws.client("cloudformation")

    def finished() -> dict[str, Any] | None:
        stack: dict[str, Any] = stacks.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = wait_for(finished)
    assert stack is not None
    return stack


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def failure_reasons(aws: Emulator, name: str) -> str:
    """Return why resources of a stack failed."""
    events = aws.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        event.get("ResourceStatusReason", "")
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    )


def delete_stack(aws: Emulator, name: str) -> None:
    """Delete a stack and wait until it is gone."""
    stacks = aws.client("cloudformation")
    identifier = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    stacks.delete_stack(StackName=name)
    wait_for(
        lambda: (
            stacks.describe_stacks(StackName=identifier)["Stacks"][0]["StackStatus"]
            in ("DELETE_COMPLETE", "DELETE_FAILED")
        )
    )


@contextlib.contextmanager
def iam_evaluated(aws: Emulator) -> Iterator[None]:
    """Evaluate IAM policies inside the context."""
    aws.evaluate_iam(True)
    try:
        yield
    finally:
        aws.evaluate_iam(False)
