"""One emulator and one deployment for a module of end-to-end tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from emulator import Emulator
from emulator.cdk_cli import CdkCli
from emulator.metric_sums import metric_sum
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, is_tombstone, read_item

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
STACK = "OpenReplayCloudWatch"
TOKEN_SECRET = "the secret of the end-to-end tests"
PATIENCE_SECONDS = 60.0


def eventually(look: Callable[[], T], want: Callable[[T], bool]) -> T:
    """What ``look`` sees once it is as wanted, or at last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = look()
        if want(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)


@dataclass
class Deployment:
    """A stack in the emulator, deployed with the real CDK CLI."""

    aws: Emulator
    folder: Path
    context: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    stack: ClassVar[str] = STACK
    app: ClassVar[str] = "app.py"

    @property
    def cdk(self) -> CdkCli:
        # An app elsewhere imports the package too.
        environment = {**self.aws.child_environment(), "PYTHONPATH": str(ROOT)}
        return CdkCli(environment, self.folder / "cdk.out", self.app)

    def deploy(self) -> None:
        outputs = self.folder / "outputs.json"
        self.printed.append(self.cdk.deploy(self.context, outputs))
        self.outputs = json.loads(outputs.read_text())[self.stack]

    def destroy(self) -> None:
        self.printed.append(self.cdk.destroy(self.context))

    def put(self, log_group: str, *messages: str, stream: str = "web-1") -> None:
        """Write lines as a program would: one event each, now."""
        logs = self.aws.client("logs")
        streams = logs.describe_log_streams(logGroupName=log_group)["logStreams"]
        if stream not in [one["logStreamName"] for one in streams]:
            logs.create_log_stream(logGroupName=log_group, logStreamName=stream)
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": now_ms, "message": message} for message in messages]
        logs.put_log_events(logGroupName=log_group, logStreamName=stream, logEvents=events)

    @property
    def session_table(self) -> str:
        return self.outputs["SessionTableName"]

    def items(self) -> list[dict[str, Any]]:
        """Every item of the session table, as stored."""
        pages = (
            self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.session_table)
        )
        return [item for page in pages for item in page["Items"]]

    def linked_lines(self) -> list[LinkedLine]:
        """Every line of the session table; a line that is stored twice comes twice."""
        return [
            line
            for item in self.items()
            if not is_tombstone(item)
            for line in read_item(int(item[PARTITION_KEY]["S"]), item).lines
        ]

    def function_named(self, part: str) -> str:
        """The name of the Lambda function whose logical id contains a text."""
        pages = (
            self.aws.client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=self.stack)
        )
        (name,) = [
            one["PhysicalResourceId"]
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceType"] == "AWS::Lambda::Function" and part in one["LogicalResourceId"]
        ]
        return str(name)

    @property
    def validator(self) -> str:
        return self.function_named("ValidatorFunction")

    def set_environment(self, function: str, **variables: str) -> None:
        """Change variables of a deployed function, as a person in a hurry would."""
        functions = self.aws.client("lambda")
        found = functions.get_function_configuration(FunctionName=function)
        functions.update_function_configuration(
            FunctionName=function,
            Environment={"Variables": {**found["Environment"]["Variables"], **variables}},
        )

    def messages_in(self, queue: str) -> int:
        """How many messages a queue has, those at work and delayed included."""
        kinds = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=kinds)
        return sum(int(number) for number in found["Attributes"].values())

    def printed_by(self, part: str) -> str:
        """What the functions printed whose log groups' names contain a text."""
        logs = self.aws.client("logs")
        own = [
            one["logGroupName"]
            for one in logs.describe_log_groups()["logGroups"]
            if part in one["logGroupName"]
        ]
        pages = logs.get_paginator("filter_log_events")
        return "\n".join(
            event["message"]
            for group in own
            for page in pages.paginate(logGroupName=group)
            for event in page["events"]
        )

    def metric(self, name: str, **dimensions: str) -> int:
        """The sum of a metric of ours."""
        cloudwatch = self.aws.client("cloudwatch")
        of_any = {names.DEPLOYMENT: None, **dimensions}
        return metric_sum(cloudwatch, names.NAMESPACE, name, of_any)

    def key(self) -> dict[str, str]:
        """The service account's key, as its secret holds it."""
        secrets = self.aws.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=self.outputs["SecretArn"])["SecretString"]
        key: dict[str, str] = json.loads(value)
        return key

    def api_key(self) -> tuple[str, str]:
        """The bridge's key, as its secret holds it."""
        secrets = self.aws.client("secretsmanager")
        (arn,) = [
            one["ARN"] for one in secrets.list_secrets()["SecretList"] if "Bridge" in one["Name"]
        ]
        key = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        return key["api_key_id"], key["api_key"]

    def as_service_account(self, service: str) -> Any:
        key = self.key()
        return self.aws.client(
            service,
            access_key_id=key["access_key_id"],
            secret_access_key=key["secret_access_key"],
        )


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator that repeats failed invocations and rotations at once; its log is kept."""
    log = tmp_path_factory.mktemp("emulator") / "emulator.log"
    quick = {"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1", "SECRET_ROTATION_RETRY_SECONDS": "0.5"}
    with Emulator(extra_environment=quick, log_path=log) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Further settings of the deployment; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def deployment(
    aws: Emulator, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The stack with two log groups of its own, one that exists, and a token secret."""
    secret = aws.client("secretsmanager").create_secret(
        Name="openreplay", SecretString=TOKEN_SECRET + "\n"
    )
    aws.client("logs").create_log_group(logGroupName="/aws/lambda/pay")
    deployment = Deployment(
        aws,
        tmp_path_factory.mktemp("cdk"),
        {
            "new_log_groups": "/app/checkout,/app/search",
            "log_groups": "/aws/lambda/pay",
            "token_secret": secret["ARN"],
            "removal_policy": "destroy",
            **settings,
        },
    )
    deployment.printed.append(deployment.cdk.bootstrap())
    deployment.deploy()
    aws.evaluate_iam(True)
    return deployment
