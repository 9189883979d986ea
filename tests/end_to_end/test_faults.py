"""Faults in front of CloudWatch Logs and in the functions: nothing is lost, nothing is hidden.

Every test writes lines of its own, breaks one thing, mends it, and looks at what became of each
line, by owner, log group and event id. The tests of this module are one story and run in their
order, with IAM evaluated.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from emulator import Emulator
from emulator.openreplay import OpenReplay
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.parked_lines import ParkedLines
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import ROOT, TOKEN_SECRET, Deployment, eventually
from tests.runtime.bridge.support import session_of
from tests.runtime.payloads import encode
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

CHECKOUT, SEARCH, PAY = GROUPS = ("/app/checkout", "/app/search", "/aws/lambda/pay")
OWNER = "000000000000"
DAY_MS = 86_400_000
SESSION = session_of(int(time.time() * 1000) - 3_600_000, 1)
GOOD = token_tag(a_token(session_id=SESSION, token_secret=TOKEN_SECRET.encode(), expires_ms=2**50))

Triple = tuple[str, str, str]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The bridge answers at once, as if every session were over."""
    return {"settle": "0", "session_lifetime": "60s"}


@dataclass
class Story:
    """A deployment, and the lines of one test.

    Attributes:
        marker: stands in every line of the test.
        crafted: events that were not written to a log group, but handed to the validator.
    """

    deployment: Deployment
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)
    crafted: set[Triple] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.before = {name: self.deployment.metric(name) for name in self.METRICS}

    METRICS = ("DroppedLines", "ParkedLines", "RedeliveredLines", "CutLines")

    # --- What is done --------------------------------------------------------------------------

    def write(self, log_group: str, lines: int = 5, *, stream: str = "web-1") -> None:
        texts = (f"{GOOD} ERROR {self.marker} line {number}" for number in range(lines))
        self.deployment.put(log_group, *texts, stream=stream)

    def hand_over(self, log_group: str, timestamps: list[int], *, times: int = 1) -> None:
        """Invoke the validator as CloudWatch Logs would, with events of one's own."""
        events: list[dict[str, Any]] = [
            {
                "id": uuid.uuid4().hex,
                "timestamp": stamp,
                "message": f"{GOOD} ERROR {self.marker} at {stamp}",
            }
            for stamp in timestamps
        ]
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": OWNER,
            "logGroup": log_group,
            "logStream": "web-1",
            "subscriptionFilters": ["x"],
            "logEvents": events,
        }
        payload = json.dumps({"awslogs": {"data": encode(json.dumps(document).encode())}})
        for _ in range(times):
            self.functions.invoke(
                FunctionName=self.validator, InvocationType="Event", Payload=payload
            )
        self.crafted |= {(OWNER, log_group, event["id"]) for event in events}

    @contextmanager
    def broken(self, **fault: Any) -> Iterator[int]:
        """PutLogEvents to the linked log group meets a fault; the fault's number."""
        aws = self.deployment.aws
        match = fault.pop("match", self.deployment.linked_log_group)
        number = aws.inject_fault("logs", "PutLogEvents", match=match, **fault)
        try:
            yield number
        finally:
            aws.clear_faults()

    # --- What there is -------------------------------------------------------------------------

    @property
    def functions(self) -> Any:
        return self.deployment.aws.client("lambda")

    def function_named(self, part: str) -> str:
        stacks = self.deployment.aws.client("cloudformation")
        pages = stacks.get_paginator("list_stack_resources").paginate(
            StackName=self.deployment.stack
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

    @property
    def parked_queue(self) -> str:
        variables = self.functions.get_function_configuration(FunctionName=self.validator)
        return str(variables["Environment"]["Variables"]["PARKED_LINES_QUEUE"])

    def events(self, log_group: str) -> list[dict[str, Any]]:
        pages = self.deployment.aws.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=log_group, filterPattern=f'"{self.marker}"')
        return [event for page in found for event in page["events"]]

    @property
    def sources(self) -> set[Triple]:
        """Every linkable line of the test."""
        return self.crafted | {
            (OWNER, group, event["eventId"]) for group in GROUPS for event in self.events(group)
        }

    @property
    def linked(self) -> Counter[Triple]:
        """How often each is in the linked log group."""
        lines = [LinkedLine.decode(one["message"]) for one in self.events(self.linked_log_group)]
        return Counter((line.owner, line.group, line.id) for line in lines)

    @property
    def linked_log_group(self) -> str:
        return self.deployment.linked_log_group

    def since(self, metric: str) -> int:
        return self.deployment.metric(metric) - self.before[metric]

    def dead_letters(self) -> int:
        answer = self.deployment.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.deployment.outputs["DeadLetterQueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    # --- What is asked -------------------------------------------------------------------------

    def parks(self, lines: int) -> None:
        assert eventually(lambda: self.since("ParkedLines"), lambda n: n >= lines) == lines
        assert not self.linked

    def ends_well(self, *, duplicates: int = 0, dropped: int = 0, redelivered: int = 0) -> None:
        """Every linkable line is linked; nothing is doubled or dropped but what is said."""
        sources = self.sources
        assert sources
        wanted = len(sources) + duplicates
        linked = eventually(
            lambda: self.linked, lambda now: set(now) >= sources and now.total() >= wanted
        )
        assert set(linked) == sources
        assert linked.total() - len(linked) == duplicates
        assert (
            eventually(lambda: self.since("RedeliveredLines"), lambda n: n >= redelivered)
            == redelivered
        )
        assert self.since("DroppedLines") == dropped

    def replays(self, *options: str) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "openreplay_cw_stack", "replay"),
                *("--stack", self.deployment.stack, *options),
            ],
            cwd=ROOT,
            env=self.deployment.aws.child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert self.marker not in ran.stdout + ran.stderr
        return ran


@pytest.fixture(scope="module")
def hurried(deployment: Deployment) -> Deployment:
    """The redelivery's pauses are a second, so that nobody waits for them."""
    functions = deployment.aws.client("lambda")
    name = Story(deployment).function_named("RedeliveryFunction")
    found = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    pauses = {"FIRST_PAUSE_SECONDS": "1", "LONGEST_PAUSE_SECONDS": "1"}
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**found, **pauses}}
    )
    return deployment


@pytest.fixture
def story(hurried: Deployment) -> Story:
    return Story(hurried)


ERRORS = {
    "throttled": {"error": "ThrottlingException", "status": 400},
    "failing": {"error": "InternalServerError", "status": 500},
    "unavailable": {"error": "ServiceUnavailableException", "status": 503},
    "denied": {"error": "AccessDeniedException", "status": 400},
    # Beyond the client's read timeout.
    "timing out": {"error": "InternalServerError", "status": 500, "delay": 11},
}


@pytest.mark.parametrize("error", ERRORS)
def test_lines_that_are_not_taken_are_parked_and_come_back(story: Story, error: str) -> None:
    judged = story.deployment.metric("Lines", Verdict="linkable")
    with story.broken(times=None, **ERRORS[error]):
        story.write(CHECKOUT, 7)
        story.parks(7)
    story.ends_well(redelivered=7)
    # Lambda has repeated nothing.
    assert story.deployment.metric("Lines", Verdict="linkable") == judged + 7


def test_a_redelivered_line_keeps_the_time_of_its_first_attempt(story: Story) -> None:
    with story.broken(times=None, error="ThrottlingException", status=400):
        story.write(SEARCH, 1)
        story.parks(1)
        parked_ms = int(time.time() * 1000)
        time.sleep(0.1)
    story.ends_well(redelivered=1)
    (event,) = story.events(story.linked_log_group)
    assert event["timestamp"] < parked_ms


def test_a_fault_that_passes_is_not_even_parked(story: Story) -> None:
    with story.broken(times=2, error="ThrottlingException", status=400) as fault:
        story.write(CHECKOUT)
        story.ends_well()
        assert story.deployment.aws.faults_met()[fault] == 2
    assert story.since("ParkedLines") == 0


def test_every_second_call_fails(story: Story) -> None:
    with story.broken(times=None, error="InternalServerError", share=0.5, seed=7):
        for number in range(12):
            story.write(GROUPS[number % 3], stream=f"web-{number}")
        eventually(lambda: story.linked, lambda linked: set(linked) >= story.sources)
    story.ends_well(redelivered=story.since("ParkedLines"))


def test_taken_and_answered_with_an_error_is_there_twice_and_shown_once(story: Story) -> None:
    with story.broken(times=1, after=True):
        story.write(PAY, 4)
        story.ends_well(duplicates=4)
    assert story.since("ParkedLines") == 0
    api_key_id, api_key = story.deployment.api_key()
    bridge = OpenReplay(
        story.deployment.outputs["BridgeUrl"],
        api_key_id,
        api_key,
        story.deployment.aws.endpoint_url,
    )
    shown = [hit["_source"]["message"] for hit in bridge.ask(SESSION).hits()]
    assert sum(story.marker in message for message in shown) == 4


def test_lines_too_old_by_then_are_dropped_and_counted_and_the_others_are_written(
    story: Story,
) -> None:
    """A batch has one timestamp, so CloudWatch Logs rejects all of it or nothing."""
    reasons = ("too_old", "expired")
    before = sum(story.deployment.metric("DroppedLines", Reason=one) for one in reasons)
    now_ms = int(time.time() * 1000)
    for age_days, identifier in ((15, "old"), (1, "young")):
        line = LinkedLine(SESSION, now_ms, identifier, OWNER, PAY, "s", "info", story.marker)
        parked = ParkedLines(PAY, PAY, now_ms - age_days * DAY_MS, [line.encode()] * 2)
        story.deployment.aws.client("sqs").send_message(
            QueueUrl=story.parked_queue, MessageBody=parked.encode()
        )
    assert eventually(lambda: story.since("DroppedLines"), lambda n: n >= 2) == 2
    linked = eventually(lambda: story.linked, lambda now: now.total() >= 2)
    assert linked == {(OWNER, PAY, "young"): 2}
    now = sum(story.deployment.metric("DroppedLines", Reason=one) for one in reasons)
    assert now - before == 2


def test_the_linked_log_group_is_deleted_and_created_again(story: Story) -> None:
    logs = story.deployment.aws.client("logs")
    logs.delete_log_group(logGroupName=story.linked_log_group)
    story.write(CHECKOUT, 6)
    assert eventually(lambda: story.since("ParkedLines"), lambda n: n >= 6) == 6
    logs.create_log_group(logGroupName=story.linked_log_group)
    story.ends_well(redelivered=6)


def test_the_log_stream_is_missing(story: Story) -> None:
    logs = story.deployment.aws.client("logs")
    logs.delete_log_stream(logGroupName=story.linked_log_group, logStreamName=CHECKOUT)
    story.write(CHECKOUT, 6)
    story.ends_well()
    assert story.since("ParkedLines") == 0


@pytest.mark.parametrize(("after", "duplicates"), [(False, 0), (True, 3)])
def test_the_function_is_killed_in_the_middle(story: Story, after: bool, duplicates: int) -> None:
    """Lambda repeats the payload; what was written already is there twice."""
    with story.broken(times=1, kill=True, after=after):
        story.write(SEARCH, 3)
        story.ends_well(duplicates=duplicates)


def test_killed_three_times_it_is_given_up_on_and_replayed(story: Story) -> None:
    already = story.dead_letters()
    with story.broken(times=3, kill=True):
        story.write(SEARCH, 3)
        assert eventually(story.dead_letters, lambda n: n > already) == already + 1
    assert not story.linked
    ran = story.replays()
    assert ran.returncode == 0, ran.stderr
    assert "1 payload invoked on the validator again" in ran.stdout
    story.ends_well()
    assert story.dead_letters() == 0


def test_timed_out_three_times_likewise(story: Story) -> None:
    functions, validator = story.functions, story.validator
    timeout = functions.get_function_configuration(FunctionName=validator)["Timeout"]
    functions.update_function_configuration(FunctionName=validator, Timeout=1)
    try:
        with story.broken(times=None, delay=3):
            story.write(SEARCH, 3)
            assert eventually(story.dead_letters, lambda n: n > 0) == 1
    finally:
        functions.update_function_configuration(FunctionName=validator, Timeout=timeout)
    assert story.replays().returncode == 0
    story.ends_well()


def test_where_the_queue_refuses_too_lambda_gives_up_and_nothing_of_it_is_logged(
    story: Story,
) -> None:
    with story.broken(times=None, error="ThrottlingException", status=400):
        aws = story.deployment.aws
        aws.inject_fault("sqs", "SendMessage", times=None, error="KmsAccessDenied", status=400)
        story.write(PAY, 2)
        assert eventually(story.dead_letters, lambda n: n > 0) == 1
    assert story.since("ParkedLines") == 0
    sqs = story.deployment.aws.client("sqs")
    (message,) = sqs.receive_message(
        QueueUrl=story.deployment.outputs["DeadLetterQueueUrl"], VisibilityTimeout=0
    )["Messages"]
    answer = json.dumps(json.loads(message["Body"])["responsePayload"])
    assert "ThrottlingException; and the queue: KmsAccessDenied" in answer
    assert story.marker not in answer
    assert story.replays().returncode == 0
    story.ends_well()


def test_parked_for_too_long_they_are_given_up_on_and_replayed(story: Story) -> None:
    """A day of attempts, here three."""
    sqs = story.deployment.aws.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=story.parked_queue, AttributeNames=["RedrivePolicy"])
    policy = json.loads(found["Attributes"]["RedrivePolicy"])

    def give_up_after(receipts: int) -> None:
        changed = {"RedrivePolicy": json.dumps({**policy, "maxReceiveCount": receipts})}
        sqs.set_queue_attributes(QueueUrl=story.parked_queue, Attributes=changed)

    give_up_after(3)
    try:
        with story.broken(times=None, error="AccessDeniedException", status=400):
            story.write(PAY, 2)
            assert eventually(story.dead_letters, lambda n: n > 0) == 1
            dry = story.replays("--dry-run")
            assert dry.returncode == 0
            assert "1 message of parked lines would be back in their queue" in dry.stdout
            assert story.dead_letters() == 1
    finally:
        give_up_after(int(policy["maxReceiveCount"]))
    ran = story.replays()
    assert ran.returncode == 0, ran.stderr
    assert "1 message of parked lines back in their queue" in ran.stdout
    story.ends_well(redelivered=2)


def test_what_is_neither_stays_in_the_dead_letter_queue(story: Story) -> None:
    sqs = story.deployment.aws.client("sqs")
    queue = story.deployment.outputs["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=f"no JSON {story.marker}")
    ran = story.replays()
    assert ran.returncode == 1
    assert "1 message left: not JSON" in ran.stdout
    assert story.dead_letters() == 1
    sqs.purge_queue(QueueUrl=queue)


def test_throttled_by_its_concurrency(story: Story) -> None:
    """Lambda keeps throttled events; not one counts as an attempt."""
    functions, validator = story.functions, story.validator
    functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=1)
    try:
        with story.broken(times=None, error="", delay=0.2):
            for number in range(8):
                story.write(GROUPS[number % 3], 2, stream=f"worker-{number}")
            story.ends_well()
    finally:
        functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=10)
    cloudwatch = story.deployment.aws.client("cloudwatch")
    throttles = cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Throttles",
        Dimensions=[{"Name": "FunctionName", "Value": validator}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in throttles) > 0


def test_with_no_concurrency_at_all_payloads_wait_in_the_dead_letter_queue(story: Story) -> None:
    functions, validator = story.functions, story.validator
    functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=0)
    try:
        story.write(PAY, 2)
        assert eventually(story.dead_letters, lambda n: n > 0) == 1
    finally:
        functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=10)
    assert story.replays().returncode == 0
    story.ends_well()


def test_the_same_event_delivered_twice_is_there_twice_under_one_id(story: Story) -> None:
    story.hand_over(CHECKOUT, [int(time.time() * 1000)] * 3, times=2)
    story.ends_well(duplicates=3)


def test_out_of_order_a_day_apart_and_in_the_future(story: Story) -> None:
    """A linked line is stamped with its arrival; its own time stands in it."""
    now_ms = int(time.time() * 1000)
    stamps = [now_ms, now_ms - 3 * DAY_MS, now_ms + DAY_MS, now_ms - DAY_MS, now_ms - 20 * DAY_MS]
    story.hand_over(CHECKOUT, stamps)
    story.ends_well()
    events = story.events(story.linked_log_group)
    assert [LinkedLine.decode(one["message"]).time for one in events] == stamps
    assert len({one["timestamp"] for one in events}) == 1


def test_a_line_of_a_megabyte_is_parked_cut_and_comes_back(story: Story) -> None:
    """One that neither gzip nor a message of the queue has room for."""
    alphabet = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\']
    noise = "".join(random.Random(7).choices(alphabet, k=1_048_000))
    with story.broken(times=None, error="ThrottlingException", status=400):
        text = f"{GOOD} ERROR {story.marker} "
        story.deployment.put(CHECKOUT, text + noise[: 1_048_550 - len(text)])
        story.parks(1)
    story.ends_well(redelivered=1)
    (event,) = story.events(story.linked_log_group)
    assert event["message"].endswith(' more characters in the tracked log group]"}')
    assert story.since("CutLines") == 1


def test_nothing_is_left_anywhere(story: Story) -> None:
    sqs = story.deployment.aws.client("sqs")
    for queue in (story.parked_queue, story.deployment.outputs["DeadLetterQueueUrl"]):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        assert {found[name] for name in names} == {"0"}


def test_nothing_of_a_line_is_in_the_functions_own_logs(story: Story, aws: Emulator) -> None:
    logs = aws.client("logs")
    own = [
        one["logGroupName"]
        for one in logs.describe_log_groups()["logGroups"]
        if "ValidatorLogGroup" in one["logGroupName"] or "Redelivery" in one["logGroupName"]
    ]
    assert len(own) == 2
    for group in own:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        printed = "\n".join(event["message"] for page in pages for event in page["events"])
        assert "OpenReplayCloudWatch" in printed
        for word in ("ERROR ", str(SESSION), "openReplaySession", GOOD[24:-1]):
            assert word not in printed
