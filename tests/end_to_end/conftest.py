"""One account and one deployment for a module of end-to-end tests.

The account is the embedded AWS, or with ``make test-aws`` a real one: see ``real_account.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import pytest

from emulator import Emulator
from emulator.cdk_cli import CdkCli
from emulator.metric_sums import metric_sum
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, is_tombstone, read_item
from tests.end_to_end import real_account
from tests.end_to_end.real_account import PREFIX, RealAccount, Report

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
STACK = "OpenReplayCloudWatch"
TOKEN_SECRET = "the secret of the end-to-end tests"
EMULATED_ACCOUNT = "000000000000"
# ListMetrics knows a new metric after up to 15 minutes (CloudWatch API Reference).
PATIENCE_SECONDS, PAUSE_SECONDS = (1200.0, 5.0) if real_account.is_chosen() else (60.0, 0.2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run nothing against a real account that was not written for one."""
    if not real_account.is_chosen():
        return
    skip = pytest.mark.skip(reason=f"needs the embedded AWS: {real_account.VARIABLE} is set")
    for item in items:
        if "end_to_end" in item.keywords and "real_account" not in item.keywords:
            item.add_marker(skip)


def eventually(look: Callable[[], T], want: Callable[[T], bool]) -> T:
    """What ``look`` sees once it is as wanted, or at last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = look()
        if want(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(PAUSE_SECONDS)


@dataclass
class Deployment:
    """A stack, deployed with the real CDK CLI.

    Tests name log groups without the prefix that they have in a real account.
    """

    aws: Emulator
    folder: Path
    context: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    stack: ClassVar[str] = STACK
    app: ClassVar[str] = "app.py"
    prefix: ClassVar[str] = ""
    account_id: str = EMULATED_ACCOUNT

    def actual(self, log_group: str) -> str:
        """The name that a log group has in the account."""
        return f"{self.prefix}{log_group}"

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
        logs, log_group = self.aws.client("logs"), self.actual(log_group)
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
            replace(line, group=line.group.removeprefix(self.prefix))
            for item in self.items()
            # Marks of error events have partitions of their own.
            if item[PARTITION_KEY]["S"].isdigit() and not is_tombstone(item)
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
        if "LogGroup" in dimensions:
            dimensions["LogGroup"] = self.actual(dimensions["LogGroup"])
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


class OnAws(Deployment):
    """A stack in a real account."""

    stack = PREFIX
    prefix = f"/{PREFIX}"

    def bridge_key_secret(self) -> str:
        """The ARN of the secret; the names of secrets do not have the stack's."""
        pages = (
            self.aws.client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=self.stack)
        )
        (arn,) = [
            one["PhysicalResourceId"]
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceType"] == "AWS::SecretsManager::Secret"
            and "BridgeApiKey" in one["LogicalResourceId"]
        ]
        return str(arn)

    def api_key(self) -> tuple[str, str]:
        secrets = self.aws.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=self.bridge_key_secret())
        key = json.loads(value["SecretString"])
        return key["api_key_id"], key["api_key"]

    def remove(self) -> None:
        """Delete the stack, whatever state it is in."""
        stacks = self.aws.client("cloudformation")
        stacks.delete_stack(StackName=self.stack)
        stacks.get_waiter("stack_delete_complete").wait(
            StackName=self.stack, WaiterConfig={"Delay": PAUSE_SECONDS, "MaxAttempts": 360}
        )


@contextlib.contextmanager
def deployed_on_aws(
    account: RealAccount, settings: dict[str, str], folder: Path
) -> Iterator[Deployment]:
    """The stack in a real account. What is created is removed, also after a failure on the way."""
    logs, secrets = account.client("logs"), account.client("secretsmanager")
    with contextlib.ExitStack() as removals:
        removals.callback(
            real_account.ignoring_what_is_gone,
            [
                lambda: secrets.delete_secret(SecretId=PREFIX, ForceDeleteWithoutRecovery=True),
                lambda: logs.delete_log_group(logGroupName=f"/{PREFIX}/aws/lambda/pay"),
            ],
        )
        secret = secrets.create_secret(Name=PREFIX, SecretString=TOKEN_SECRET + "\n")
        logs.create_log_group(logGroupName=f"/{PREFIX}/aws/lambda/pay")
        deployment = OnAws(
            cast("Emulator", account),
            folder,
            {
                "stack_id": PREFIX,
                "user_name": PREFIX,
                "new_log_groups": f"/{PREFIX}/app/checkout,/{PREFIX}/app/search",
                "log_groups": f"/{PREFIX}/aws/lambda/pay",
                "token_secret": secret["ARN"],
                "removal_policy": "destroy",
                **settings,
            },
            account_id=account.account_id,
        )
        removals.callback(deployment.remove)
        deployment.deploy()
        yield deployment
    left = eventually(lambda: real_account.left_behind(account), lambda names: not names)
    assert left == [], f"these are left in the account, remove them: {left}"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Takes the answers to open questions."""
    if not real_account.is_chosen():
        return Report(tmp_path_factory.mktemp("report") / "report.md", "the embedded AWS")
    path = Path(os.environ.get(real_account.REPORT_VARIABLE, "aws-report.md"))
    return Report(path, f"AWS in {RealAccount().region}")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator that repeats failed invocations and rotations at once; its log is kept."""
    if real_account.is_chosen():
        yield cast("Emulator", RealAccount())
        return
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
) -> Iterator[Deployment]:
    """The stack with two log groups of its own, one that exists, and a token secret."""
    folder = tmp_path_factory.mktemp("cdk")
    if isinstance(aws, RealAccount):
        with deployed_on_aws(aws, settings, folder) as on_aws:
            yield on_aws
        return
    secret = aws.client("secretsmanager").create_secret(
        Name="openreplay", SecretString=TOKEN_SECRET + "\n"
    )
    aws.client("logs").create_log_group(logGroupName="/aws/lambda/pay")
    deployment = Deployment(
        aws,
        folder,
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
    yield deployment
