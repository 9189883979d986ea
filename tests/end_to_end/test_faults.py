"""Faults in DynamoDB, SQS and the function: nothing is lost, shown twice, or hidden.

Every test writes lines of its own, breaks one thing, mends it, and asks the bridge: each linkable
line of the session is in the answer exactly once. The tests of this module are one story and run in
their order, with IAM evaluated.
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
from emulator.openreplay import OpenReplay, check_hits
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import ROOT, TOKEN_SECRET, Deployment, eventually
from tests.runtime.payloads import encode
from tests.tagging.tokens import a_token, session_of

pytestmark = pytest.mark.end_to_end

CHECKOUT, SEARCH, PAY = GROUPS = ("/app/checkout", "/app/search", "/aws/lambda/pay")
DAY_MS = 86_400_000
STARTED_MS = int(time.time() * 1000) - 3_600_000
_numbers = iter(range(1, 1000))


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The bridge answers at once, as if every session were over."""
    return {"settle": "0", "session_lifetime": "60s"}


@dataclass
class Story:
    """A deployment, and the lines of one test, all of one session.

    Attributes:
        session: whose lines are written.
        marker: stands in every line of the test.
        written: the messages of the lines, as the bridge shows them.
    """

    deployment: Deployment
    session: int = field(default_factory=lambda: session_of(STARTED_MS, next(_numbers)))
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)
    written: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.before = {name: self.deployment.metric(name) for name in self.METRICS}
        self.linked_before = self.linked

    METRICS = ("DroppedLines", "QueuedLines", "RefusedItems", "CutLines", "UnusablePayloads")

    # --- What is done --------------------------------------------------------------------------

    def tag_of(self, session: int) -> str:
        return token_tag(
            a_token(session_id=session, token_secret=TOKEN_SECRET.encode(), expires_ms=2**50)
        )

    def line(self, log_group: str, text: str) -> str:
        """A line of the session; it is expected in the answer."""
        self.written[f"{log_group}: ERROR {self.marker} {text}"] += 1
        return f"{self.tag_of(self.session)} ERROR {self.marker} {text}"

    def write(self, log_group: str, lines: int = 5, *, stream: str = "web-1") -> None:
        batch = uuid.uuid4().hex[:6]
        texts = [self.line(log_group, f"line {batch} {number}") for number in range(lines)]
        self.deployment.put(log_group, *texts, stream=stream)

    def document(self, log_group: str, stamps: list[int]) -> dict[str, Any]:
        """A subscription payload with events of the session at these times."""
        events = [
            {
                "id": uuid.uuid4().hex,
                "timestamp": stamp,
                "message": self.line(log_group, f"at {stamp} {number}"),
            }
            for number, stamp in enumerate(stamps)
        ]
        return {
            "messageType": "DATA_MESSAGE",
            "owner": "000000000000",
            "logGroup": log_group,
            "logStream": "web-1",
            "subscriptionFilters": ["x"],
            "logEvents": events,
        }

    def hand_over(self, document: dict[str, Any], *, times: int = 1) -> None:
        """Invoke the validator as CloudWatch Logs does."""
        payload = json.dumps({"awslogs": {"data": encode(json.dumps(document).encode())}})
        for _ in range(times):
            self.functions.invoke(
                FunctionName=self.deployment.validator, InvocationType="Event", Payload=payload
            )

    @contextmanager
    def broken(
        self, service: str = "dynamodb", operation: str = "BatchWriteItem", **fault: Any
    ) -> Iterator[int]:
        """A call meets a fault; the fault's number."""
        aws = self.deployment.aws
        number = aws.inject_fault(service, operation, **fault)
        try:
            yield number
        finally:
            aws.clear_faults()

    # --- What there is -------------------------------------------------------------------------

    @property
    def functions(self) -> Any:
        return self.deployment.aws.client("lambda")

    @property
    def retry_queue(self) -> str:
        return self.deployment.outputs["RetryQueueUrl"]

    @property
    def dead_letter_queue(self) -> str:
        return self.deployment.outputs["DeadLetterQueueUrl"]

    @property
    def linked(self) -> int:
        return sum(self.deployment.metric("LinkedLines", LogGroup=group) for group in GROUPS)

    def since(self, metric: str) -> int:
        return self.deployment.metric(metric) - self.before[metric]

    def shown(self, session: int | None = None) -> Counter[str]:
        """The messages of the bridge's answer, without its remark, and how often each is there."""
        api_key_id, api_key = self.deployment.api_key()
        bridge = OpenReplay(
            self.deployment.outputs["BridgeUrl"],
            api_key_id,
            api_key,
            self.deployment.aws.endpoint_url,
        )
        hits = bridge.ask(session or self.session).hits()
        check_hits(hits)
        messages = [hit["_source"]["message"] for hit in hits]
        return Counter(one for one in messages if not one.startswith("openreplay-cw-stack: "))

    def dead_letters(self) -> int:
        return self.deployment.messages_in(self.dead_letter_queue)

    # --- What is asked -------------------------------------------------------------------------

    def queues(self, lines: int) -> None:
        """So many lines are in the retry queue, and none is shown yet."""
        assert eventually(lambda: self.since("QueuedLines"), lambda n: n >= lines) == lines
        assert not self.shown()

    def ends_well(self) -> None:
        """Every line of the session is shown exactly once, and nothing else."""
        assert self.written
        seen = eventually(self.shown, lambda shown: shown == self.written)
        assert seen == self.written
        assert self.since("DroppedLines") == 0
        counted = eventually(lambda: self.linked - self.linked_before, lambda n: n >= self.lines)
        assert counted >= self.lines

    @property
    def lines(self) -> int:
        return self.written.total()

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
    """The pauses of the retry queue are a second."""
    deployment.set_environment(deployment.validator, FIRST_PAUSE_SECONDS="1", MAX_PAUSE_SECONDS="1")
    # A message that a killed function was at work on comes back after this, not after six minutes.
    deployment.aws.client("sqs").set_queue_attributes(
        QueueUrl=deployment.outputs["RetryQueueUrl"], Attributes={"VisibilityTimeout": "15"}
    )
    return deployment


@pytest.fixture
def story(hurried: Deployment) -> Story:
    return Story(hurried)


ERRORS: dict[str, dict[str, Any]] = {
    "throttled": {"error": "ProvisionedThroughputExceededException", "status": 400},
    "throttled by the account": {"error": "ThrottlingException", "status": 400},
    "failing": {"error": "InternalServerError", "status": 500},
    "unavailable": {"error": "ServiceUnavailable", "status": 503},
    "denied": {"error": "AccessDeniedException", "status": 400},
    "gone": {"error": "ResourceNotFoundException", "status": 400},
    # Longer than the client waits for an answer.
    "timing out": {"error": "InternalServerError", "status": 500, "delay": 7},
}


@pytest.mark.parametrize("error", ERRORS)
def test_lines_that_are_not_stored_wait_and_come_back(story: Story, error: str) -> None:
    judged = story.deployment.metric("Lines", Verdict="linkable")
    with story.broken(times=None, **ERRORS[error]):
        story.write(CHECKOUT, 7)
        story.queues(7)
    story.ends_well()
    # Lambda has repeated nothing, and no line is counted twice.
    assert story.deployment.metric("Lines", Verdict="linkable") == judged + 7
    assert story.linked - story.linked_before == 7


def test_a_throttle_that_passes_queues_nothing(story: Story) -> None:
    with story.broken(times=2, **ERRORS["throttled"]) as fault:
        story.write(CHECKOUT)
        story.ends_well()
        assert story.deployment.aws.faults_met()[fault] == 2
    assert story.since("QueuedLines") == 0


def test_every_second_call_fails(story: Story) -> None:
    with story.broken(times=None, error="InternalServerError", share=0.5, seed=7):
        for number in range(12):
            story.write(GROUPS[number % 3], stream=f"web-{number}")
        story.ends_well()


def test_stored_and_answered_with_an_error_is_shown_once(story: Story) -> None:
    with story.broken(times=1, after=True):
        story.write(PAY, 4)
        story.ends_well()


@pytest.mark.parametrize("after", [False, True])
def test_the_function_is_killed_in_the_middle(story: Story, after: bool) -> None:
    """Lambda repeats the payload; what was stored already replaces itself."""
    with story.broken(times=1, kill=True, after=after):
        story.write(SEARCH, 3)
        story.ends_well()


def test_killed_three_times_it_is_given_up_on_and_replayed(story: Story) -> None:
    already = story.dead_letters()
    with story.broken(times=3, kill=True):
        story.write(SEARCH, 3)
        assert eventually(story.dead_letters, lambda n: n > already) == already + 1
    assert not story.shown()
    ran = story.replays()
    assert ran.returncode == 0, ran.stderr
    story.ends_well()
    assert story.dead_letters() == 0


def test_timed_out_three_times_likewise(story: Story) -> None:
    functions, validator = story.functions, story.deployment.validator
    timeout = functions.get_function_configuration(FunctionName=validator)["Timeout"]
    functions.update_function_configuration(FunctionName=validator, Timeout=2)
    try:
        # Too little time to store anything, and then the queue does not answer in time either.
        with story.broken("sqs", "SendMessage", times=None, error="", delay=3):
            story.write(SEARCH, 3)
            assert eventually(story.dead_letters, lambda n: n > 0) == 1
    finally:
        functions.update_function_configuration(FunctionName=validator, Timeout=timeout)
    assert story.replays().returncode == 0
    story.ends_well()


def test_where_the_queue_refuses_too_lambda_gives_up_and_nothing_of_it_is_logged(
    story: Story,
) -> None:
    with story.broken(times=None, **ERRORS["denied"]):
        aws = story.deployment.aws
        aws.inject_fault("sqs", "SendMessage", times=None, error="KmsAccessDenied", status=400)
        story.write(PAY, 2)
        assert eventually(story.dead_letters, lambda n: n > 0) == 1
    assert story.since("QueuedLines") == 0
    sqs = story.deployment.aws.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=story.dead_letter_queue, VisibilityTimeout=0)[
        "Messages"
    ]
    answer = json.dumps(json.loads(message["Body"])["responsePayload"])
    assert "not queued: KmsAccessDenied" in answer
    assert story.marker not in answer
    assert story.replays().returncode == 0
    story.ends_well()


def test_waiting_for_too_long_they_become_dead_letters_and_are_replayed(story: Story) -> None:
    """A day of attempts, here three seconds."""
    validator = story.deployment.validator
    with story.broken(times=None, **ERRORS["denied"]):
        story.deployment.set_environment(validator, RETRY_SECONDS="3")
        try:
            story.write(PAY, 2)
            # A message of a function that an earlier test killed may come back just now.
            there = eventually(story.dead_letters, lambda n: n > 0)
            assert there >= 1
            dry = story.replays("--dry-run")
            assert dry.returncode == 0
            assert story.dead_letters() >= there
        finally:
            story.deployment.set_environment(validator, RETRY_SECONDS="86400")
    ran = story.replays()
    assert ran.returncode == 0, ran.stderr
    story.ends_well()


def test_an_invalid_item_is_dead_lettered_alone_and_replayed(story: Story) -> None:
    other = Story(story.deployment)
    with story.broken(
        times=None, error="ValidationException", status=400, match=str(story.session)
    ):
        texts = [story.line(CHECKOUT, "refused"), other.line(CHECKOUT, "beside it")]
        story.deployment.put(CHECKOUT, *texts)
        assert eventually(story.dead_letters, lambda n: n > 0) >= 1
        other.ends_well()
        assert not story.shown()
    assert eventually(lambda: story.since("RefusedItems"), bool) == 1
    assert story.replays().returncode == 0
    story.ends_well()
    assert eventually(story.dead_letters, lambda n: n == 0) == 0


def test_what_is_neither_stays_in_the_dead_letter_queue(story: Story) -> None:
    sqs = story.deployment.aws.client("sqs")
    sqs.send_message(QueueUrl=story.dead_letter_queue, MessageBody=f"no JSON {story.marker}")
    ran = story.replays()
    assert ran.returncode == 1
    assert "not JSON" in ran.stdout
    assert story.dead_letters() == 1
    sqs.purge_queue(QueueUrl=story.dead_letter_queue)


def test_throttled_by_its_concurrency(story: Story) -> None:
    """Lambda keeps throttled events; not one counts as an attempt."""
    functions, validator = story.functions, story.deployment.validator
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
    functions, validator = story.functions, story.deployment.validator
    functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=0)
    try:
        story.write(PAY, 2)
        assert eventually(story.dead_letters, lambda n: n > 0) == 1
    finally:
        functions.put_function_concurrency(FunctionName=validator, ReservedConcurrentExecutions=10)
    assert story.replays().returncode == 0
    story.ends_well()


def test_the_same_payload_twice_in_part_and_re_cut_is_shown_once(story: Story) -> None:
    now_ms = int(time.time() * 1000)
    document = story.document(CHECKOUT, [now_ms + number for number in range(20)])
    events = document["logEvents"]
    story.hand_over(document, times=2)
    for first, last in ((0, 7), (5, 13), (13, 20), (0, 20)):
        story.hand_over({**document, "logEvents": events[first:last]})
    story.ends_well()


def test_out_of_order_a_day_apart_and_in_the_future(story: Story) -> None:
    now_ms = int(time.time() * 1000)
    stamps = [now_ms, now_ms - 3 * DAY_MS, now_ms + DAY_MS, now_ms - DAY_MS, now_ms - 20 * DAY_MS]
    story.hand_over(story.document(CHECKOUT, stamps))
    story.ends_well()


def test_a_replay_after_thirteen_days_is_shown(story: Story) -> None:
    """The session was over long ago; its line arrives now and expires a retention later."""
    story.session = session_of(STARTED_MS - 13 * DAY_MS, 1)
    document = story.document(PAY, [STARTED_MS - 13 * DAY_MS + 60_000])
    letter = {
        "reason": "not stored within 86400 seconds",
        "awslogs": {"data": encode(json.dumps(document).encode())},
        "counted": True,
    }
    story.deployment.aws.client("sqs").send_message(
        QueueUrl=story.dead_letter_queue, MessageBody=json.dumps(letter)
    )
    assert story.replays().returncode == 0
    story.ends_well()


def test_a_line_of_a_megabyte_waits_and_is_cut(story: Story) -> None:
    """One that gzip cannot make shorter."""
    alphabet = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\']
    noise = "".join(random.Random(7).choices(alphabet, k=1_048_000))
    with story.broken(times=None, **ERRORS["denied"]):
        text = f"{story.tag_of(story.session)} ERROR {story.marker} "
        story.deployment.put(CHECKOUT, text + noise[: 700_000 - len(text)])
        assert eventually(lambda: story.since("QueuedLines"), bool) == 1
    (message,) = eventually(story.shown, bool)
    assert message.endswith(" more characters in the tracked log group]")
    assert story.since("CutLines") == 1


def test_a_hot_session_does_not_delay_the_others(story: Story) -> None:
    """DynamoDB throttles one partition, and takes the items of all others."""
    cold = [Story(story.deployment) for _ in range(3)]
    with story.broken(times=None, error="", unprocessed=25, partition_keys=[str(story.session)]):
        texts = [story.line(SEARCH, f"hot {number}") for number in range(10)]
        texts += [one.line(SEARCH, f"cold {number}") for number in range(5) for one in cold]
        story.deployment.put(SEARCH, *texts)
        for one in cold:
            one.ends_well()
        assert not story.shown()
        assert eventually(lambda: story.since("QueuedLines"), bool) == 10
    story.ends_well()


def test_nothing_is_left_anywhere(story: Story) -> None:
    sqs = story.deployment.aws.client("sqs")
    for queue in (story.retry_queue, story.dead_letter_queue):
        eventually(
            lambda queue=queue: story.deployment.messages_in(queue),  # type: ignore[misc]
            lambda n: n == 0,
        )
        left = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0).get("Messages", [])
        assert [json.loads(one["Body"]).get("reason", one) for one in left] == []
        assert story.deployment.messages_in(queue) == 0


def test_nothing_of_a_line_is_in_the_functions_own_log(story: Story, aws: Emulator) -> None:
    printed = story.deployment.printed_by("ValidatorLogGroup")
    assert "OpenReplayCloudWatch" in printed
    for word in ("ERROR ", str(story.session)[:12], "openReplaySession"):
        assert word not in printed
