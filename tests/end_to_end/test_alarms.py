"""Every alarm goes off for what it watches, tells its topic, and is over when that is over.

The tests of this module are one story and run in their order. The stack has everything that alarms
watch: a token secret, the bridge, rotation, and an OpenReplay project that cannot be reached. What
is simple to bring about really happens; otherwise the points are published that the code, or AWS,
would publish. Nobody waits for the minutes of a period to pass: points that were published are
backdated and followed by a zero, and what really was counted is taken back by its
opposite.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_cdk import Duration

from emulator import Emulator
from emulator.openreplay import SEARCH_PATH, OpenReplay
from openreplay_cw_stack.tagging import compose_token, token_tag
from openreplay_cw_stack.tagging import metrics as names
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually
from tests.infra.conftest import (
    LOGIN_SECRET_ARN,
    PROJECT,
    TOKEN_SECRET_ARN,
    a_stack,
    resources,
    template_of,
)
from tests.runtime.bridge.support import session_of
from tests.runtime.payloads import a_document, an_event

pytestmark = pytest.mark.end_to_end

NOBODY_ANSWERS = {**PROJECT, "url": "http://127.0.0.1:9", "insecure": True}
GROUP = "/app/checkout"
PERIOD_SECONDS = 300
SESSION = session_of(int(time.time() * 1000) - 3_600_000)
GOOD = token_tag(
    compose_token(
        session_id=SESSION,
        delay_ms=0,
        expires_ms=int(time.time() * 1000) + 3_600_000,
        token_secret=TOKEN_SECRET.encode(),
    )
)
MISSPELLED = GOOD.replace("=", ": ")
MASKED = f"[openReplaySessionToken={'*' * 69}]"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    project = {**NOBODY_ANSWERS, "login_secret": LOGIN_SECRET_ARN}
    return {
        "settle": "0",
        "session_lifetime": "60s",
        "rotation": "30d",
        "openreplay_projects": json.dumps([project]),
    }


@dataclass
class Watch:
    """The deployed stack, and a queue that is subscribed to the alarms' topic."""

    deployment: Deployment
    queue_url: str
    told: list[tuple[str, str]] = field(default_factory=list)

    @property
    def aws(self) -> Emulator:
        return self.deployment.aws

    def alarm(self, name: str) -> dict[str, Any]:
        found = self.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        # CloudFormation names it after the stack and the logical id, which ends in a hash.
        (alarm,) = [one for one in found if f"Monitoring{name}" in one["AlarmName"][:-8]]
        return dict(alarm)

    def state(self, name: str) -> str:
        return str(self.alarm(name)["StateValue"])

    def has_told(self, name: str, state: str) -> bool:
        """Whether the queue has the notification, as an incident tool would."""
        sqs = self.aws.client("sqs")
        for message in sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            notification = json.loads(json.loads(message["Body"])["Message"])
            self.told.append((notification["AlarmName"], notification["NewStateValue"]))
            sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return (self.alarm(name)["AlarmName"], state) in self.told

    def function(self, part: str) -> str:
        functions = self.aws.client("lambda").list_functions()["Functions"]
        (name,) = [one["FunctionName"] for one in functions if part in one["FunctionName"]]
        return str(name)

    @property
    def validator(self) -> str:
        return self.function("ValidatorFunction")

    def validate(self, document: dict[str, Any]) -> None:
        """Hand a subscription payload to the validator, as CloudWatch Logs does."""
        self.aws.client("lambda").invoke(
            FunctionName=self.validator,
            InvocationType="Event",
            Payload=json.dumps(an_event(document)).encode(),
        )

    def openreplay(self, **changes: str) -> OpenReplay:
        api_key_id, api_key = self.deployment.api_key()
        values = {"api_key_id": api_key_id, "api_key": api_key, **changes}
        return OpenReplay(
            self.deployment.outputs["BridgeUrl"],
            gateway_url=self.aws.endpoint_url,
            **values,
        )

    @property
    def ours(self) -> tuple[str, dict[str, str]]:
        """Namespace and dimensions of our own metrics."""
        variables = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.validator
        )["Environment"]["Variables"]
        return names.NAMESPACE, {names.DEPLOYMENT: variables["DEPLOYMENT"]}

    def of_function(self, part: str) -> tuple[str, dict[str, str]]:
        """Namespace and dimensions of Lambda's metrics."""
        return "AWS/Lambda", {"FunctionName": self.function(part)}

    def of_queue(self) -> tuple[str, dict[str, str]]:
        url = self.deployment.outputs["DeadLetterQueueUrl"]
        return "AWS/SQS", {"QueueName": url.rpartition("/")[2]}

    def of_parked_lines(self) -> tuple[str, dict[str, str]]:
        urls = self.aws.client("sqs").list_queues()["QueueUrls"]
        (name,) = [one.rpartition("/")[2] for one in urls if "ParkedLines" in one]
        return "AWS/SQS", {"QueueName": name}

    def publish(
        self, where: tuple[str, dict[str, str]], name: str, value: float, *, ago: float = 0
    ) -> None:
        namespace, dimensions = where
        self.aws.client("cloudwatch").put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": one} for key, one in dimensions.items()],
                    "Value": value,
                    "Timestamp": time.time() - ago,
                }
            ],
        )

    def take_back(self, where: tuple[str, dict[str, str]], name: str) -> None:
        """Publish the opposite of what was counted."""
        namespace, dimensions = where
        now = time.time()
        points = self.aws.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": one} for key, one in dimensions.items()],
            StartTime=now - 3600,
            EndTime=now + 3600,
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        assert points, f"nothing was counted in {name}"
        self.publish(where, name, -sum(point["Sum"] for point in points))

    def shorten_period(self, name: str) -> None:
        """Ten seconds: a maximum has no opposite, and the real points are there too."""
        alarm = self.alarm(name)
        kept = (
            *("AlarmName", "AlarmDescription", "OKActions", "AlarmActions", "MetricName"),
            *("Namespace", "Statistic", "Dimensions", "EvaluationPeriods", "Threshold"),
            *("ComparisonOperator", "TreatMissingData"),
        )
        settings = {key: alarm[key] for key in kept}
        self.aws.client("cloudwatch").put_metric_alarm(**settings, Period=10)


@pytest.fixture(scope="module")
def watch(deployment: Deployment) -> Iterator[Watch]:
    aws = deployment.aws
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="incidents")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    let_send = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": arn["QueueArn"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [let_send]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    aws.client("sns").subscribe(
        TopicArn=deployment.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn["QueueArn"]
    )
    yield Watch(deployment, url)
    aws.clear_faults()


# --- What really happens -----------------------------------------------------------------------


def masked_lines_alone(watch: Watch) -> None:
    watch.deployment.put(GROUP, *[f"{MASKED} ERROR {number}" for number in range(12)])


def a_linkable_line(watch: Watch) -> None:
    watch.deployment.put(GROUP, f"{GOOD} ERROR card declined")


def the_token_secret_unreadable(watch: Watch) -> None:
    watch.aws.inject_fault(
        "secretsmanager", "GetSecretValue", times=None, error="AccessDenied", status=400
    )
    watch.aws.client("lambda").update_function_configuration(
        FunctionName=watch.validator, Timeout=61
    )
    a_linkable_line(watch)


def unchecked_signatures_over(watch: Watch) -> None:
    watch.aws.clear_faults()
    watch.take_back(watch.ours, names.UNCHECKED_SIGNATURES)


def a_program_that_misspells(watch: Watch) -> None:
    watch.deployment.put(GROUP, *[f"{MISSPELLED} ERROR {number}" for number in range(12)])


def many_linkable_lines(watch: Watch) -> None:
    watch.deployment.put(GROUP, *[f"{GOOD} ERROR {number}" for number in range(150)])


def an_unreadable_entry(watch: Watch) -> None:
    watch.validate({**a_document("INFO fine"), "logEvents": ["no log event"]})


def the_validator_dies_at_every_line(watch: Watch) -> None:
    linked = watch.deployment.linked_log_group
    watch.aws.inject_fault("logs", "PutLogEvents", times=None, kill=True, match=linked)
    a_linkable_line(watch)


def the_validator_lives(watch: Watch) -> None:
    watch.aws.clear_faults()
    watch.take_back(watch.of_function("ValidatorFunction"), "Errors")


def a_payload_of_our_own(watch: Watch) -> None:
    """As a subscription would send it that somebody has put on the linked log group."""
    watch.validate(a_document("anything", logGroup=watch.deployment.linked_log_group))


def dropped_payloads_over(watch: Watch) -> None:
    watch.aws.clear_faults()
    watch.take_back(watch.of_function("ValidatorFunction"), "AsyncEventsDropped")


def questions_with_a_wrong_key(watch: Watch) -> None:
    openreplay = watch.openreplay(api_key="a-wrong-key")
    for _ in range(20):
        assert openreplay.ask(SESSION).status == 401
    assert watch.state("BridgeRefusedQuestions") == "OK"
    openreplay.ask(SESSION)


def cloudwatch_logs_throttles_the_bridge(watch: Watch) -> None:
    openreplay = watch.openreplay()
    watch.aws.inject_fault(
        "logs", "FilterLogEvents", times=None, error="ThrottlingException", status=400
    )
    assert json.loads(openreplay.ask(SESSION).body)["timed_out"] is True
    watch.aws.clear_faults()


def a_rotation_that_fails(watch: Watch) -> None:
    event = {"Step": "createSecret", "SecretId": "unknown", "ClientRequestToken": "unknown"}
    watch.aws.client("lambda").invoke(
        FunctionName=watch.function("RotationFunction"), Payload=json.dumps(event).encode()
    )


def the_bridge_cannot_read_its_key(watch: Watch) -> None:
    openreplay = watch.openreplay()
    watch.aws.inject_fault(
        "secretsmanager", "GetSecretValue", times=None, error="AccessDenied", status=400
    )
    watch.aws.client("lambda").update_function_configuration(
        FunctionName=watch.function("BridgeFunction"), Timeout=14
    )
    openreplay.send("POST", SEARCH_PATH, '{"size": 1}')
    watch.aws.clear_faults()


def logs_may_not_invoke_the_validator(watch: Watch) -> None:
    functions = watch.aws.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=watch.validator)["Policy"])
    for statement in policy["Statement"]:
        if statement["Principal"].get("Service") == "logs.amazonaws.com":
            functions.remove_permission(FunctionName=watch.validator, StatementId=statement["Sid"])
    a_linkable_line(watch)


def delivery_errors_over(watch: Watch) -> None:
    logs = watch.aws.client("logs")
    (one,) = logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
    dimensions = {
        "DestinationType": "Lambda",
        "FilterName": one["filterName"],
        "LogGroupName": GROUP,
    }
    watch.take_back(("AWS/Logs", dimensions), "DeliveryErrors")


# --- What is published -------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """How an alarm is raised, and how it ends."""

    begin: Callable[[Watch], None]
    end: Callable[[Watch], None]


def really(begin: Callable[[Watch], None], part: str, metric: str) -> Case:
    """Something that is counted; ``part`` is of the function's name, or empty for ours."""

    def end(watch: Watch) -> None:
        watch.take_back(watch.of_function(part) if part else watch.ours, metric)

    return Case(begin, end)


def published(
    where: Callable[[Watch], tuple[str, dict[str, str]]],
    metric: str,
    value: float,
    *,
    periods: int = 1,
) -> Case:
    """Points that end a period ago, then a zero."""

    def begin(watch: Watch) -> None:
        for number in range(periods):
            watch.publish(where(watch), metric, value, ago=PERIOD_SECONDS * (number + 1.2))

    return Case(begin, lambda watch: watch.publish(where(watch), metric, 0))


def ours(watch: Watch) -> tuple[str, dict[str, str]]:
    return watch.ours


def of_validator(watch: Watch) -> tuple[str, dict[str, str]]:
    return watch.of_function("ValidatorFunction")


CASES = {
    "FailedRegistrations": Case(
        lambda watch: None, lambda watch: watch.take_back(watch.ours, names.FAILED_REGISTRATIONS)
    ),
    "LinkedLinesStopped": Case(masked_lines_alone, a_linkable_line),
    "UncheckedSignatures": Case(the_token_secret_unreadable, unchecked_signatures_over),
    "RejectedTags": Case(a_program_that_misspells, many_linkable_lines),
    "DroppedLines": really(an_unreadable_entry, "", names.DROPPED_LINES),
    "ValidatorErrors": Case(the_validator_dies_at_every_line, the_validator_lives),
    "DroppedPayloads": Case(the_validator_dies_at_every_line, dropped_payloads_over),
    "DeadLetters": published(Watch.of_queue, "ApproximateNumberOfMessagesVisible", 1),
    "RefusedLoops": really(a_payload_of_our_own, "", names.REFUSED_PAYLOADS),
    "ParkedLines": published(
        Watch.of_parked_lines, "ApproximateNumberOfMessagesNotVisible", 1, periods=3
    ),
    "ValidatorThrottles": published(of_validator, "Throttles", 1, periods=3),
    "PayloadAge": Case(
        lambda watch: watch.publish(of_validator(watch), "AsyncEventAge", 600_001),
        lambda watch: watch.shorten_period("PayloadAge"),
    ),
    "FailedDestinationDeliveries": published(of_validator, "DestinationDeliveryFailures", 1),
    "BridgeRefusedQuestions": really(questions_with_a_wrong_key, "", names.REFUSED_QUESTIONS),
    "BridgeTimedOutAnswers": really(
        cloudwatch_logs_throttles_the_bridge, "", names.TIMED_OUT_ANSWERS
    ),
    "FunctionErrors": really(a_rotation_that_fails, "RotationFunction", "Errors"),
    "BridgeFailures": really(the_bridge_cannot_read_its_key, "", names.FAILED_QUESTIONS),
    "KeysNotTakenUp": published(ours, names.KEYS_NOT_TAKEN_UP, 1),
    "RefusedRotations": published(ours, names.REFUSED_ROTATIONS, 1),
    "FailedRotations": published(ours, names.FAILED_ROTATIONS, 1),
    "UndeliveredLines": Case(logs_may_not_invoke_the_validator, delivery_errors_over),
}
RAISED_BY_THE_DEPLOYMENT = {"FailedRegistrations"}


def test_no_alarm_is_without_a_case() -> None:
    template = template_of(
        a_stack(
            token_secret=TOKEN_SECRET_ARN,
            rotation=Duration.days(30),
            openreplay_projects=[NOBODY_ANSWERS],
        )
    )
    found = resources(template, "AWS::CloudWatch::Alarm")
    assert len(found) == len(CASES)
    for name in CASES:
        assert [one for one in found if f"Monitoring{name}" == one[len("OpenReplay") : -8]], name


@pytest.mark.parametrize("name", CASES)
def test_it_goes_off_and_is_over(watch: Watch, name: str) -> None:
    case = CASES[name]
    if name not in RAISED_BY_THE_DEPLOYMENT:
        assert watch.state(name) == "OK"
    case.begin(watch)
    assert eventually(lambda: watch.state(name), lambda state: state == "ALARM") == "ALARM"
    if name not in RAISED_BY_THE_DEPLOYMENT:
        assert eventually(lambda: watch.has_told(name, "ALARM"), bool)
    case.end(watch)
    assert eventually(lambda: watch.state(name), lambda state: state == "OK") == "OK"
    if watch.alarm(name)["OKActions"]:
        assert eventually(lambda: watch.has_told(name, "OK"), bool)


def test_what_was_lost_is_not_reported_as_over(watch: Watch) -> None:
    without = {name for name in CASES if not watch.alarm(name)["OKActions"]}
    assert without == {"DroppedLines", "DroppedPayloads", "FailedDestinationDeliveries"}
    assert not any(watch.has_told(name, "OK") for name in without)
