"""A deployed stack under load: is every linkable line linked, and does its memory stay flat?

``python -m benchmarks load``, or ``LINES=100000 python -m benchmarks load``; not part of
``make bench``, as it takes minutes. The real CDK CLI deploys to the embedded AWS; lines are written
to 20 tracked log groups as fast as it takes them, one in twenty with a misspelled tag, and every
signature is checked. Each line has a number of its own, and all are counted in the linked log
group afterwards. Lines a second say more about the embedded AWS, which is one Python process, than
about AWS.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator import Emulator
from emulator.cdk_cli import CdkCli
from emulator.metric_sums import metric_sum
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import compose_token, token_tag
from openreplay_cw_stack.tagging import metrics as names

LINES = 1_000_000
LOG_GROUPS = 20
LINES_OF_A_CALL = 1000
LINES_OF_A_SESSION = 5
MISSPELLED_EVERY = 20
WRITERS = 4
MOST_WAITING = 40_000
"""No further lines are written while so many are on their way: the emulator's memory is finite."""

PATIENCE_SECONDS = 120.0
"""How long nothing may arrive before we stop to wait."""

FLAT_RATIO = 1.1
"""The second half's peak memory of the validator, over the first half's."""

_STACK = "OpenReplayCloudWatch"
_TOKEN_SECRET = b"the secret of the load test"
_NUMBER = re.compile(r"\bnumber=(\d+)\b")
_TEXT = (
    "payment of order refused by the bank, card declined; the customer is asked for another card"
)


@dataclass
class Outcome:
    """What became of the lines.

    Attributes:
        tagged: lines that were written.
        linkable: how many of them have a tag that is right.
        linked: how many of those are in the linked log group.
        duplicates: lines there that are there more often than once.
        strangers: lines there that are none of ours.
        dropped: as the metric has it.
        parked: likewise.
        counted: lines by verdict, as the metric has them.
        dead_letters: messages that wait in the dead-letter queue.
        seconds: from the first line written to the last one linked.
        memory: of the validator's processes: seconds since the beginning, and the largest one's
            resident bytes.
    """

    tagged: int
    linkable: int
    linked: int = 0
    duplicates: int = 0
    strangers: int = 0
    dropped: int = 0
    parked: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    seconds: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)

    def peaks(self) -> tuple[int, int]:
        """The largest memory in the first and in the second half, without the first tenth.

        Processes that start have little at first.
        """
        end = self.memory[-1][0]
        settled = [one for one in self.memory if one[0] >= end / 10]
        first = max(size for at, size in settled if at <= end / 2)
        return first, max(size for at, size in settled if at > end / 2)


def run() -> None:
    """Measure, and print."""
    outcome = measure(int(os.environ.get("LINES", LINES)))
    first, second = outcome.peaks()
    print(f"load: {outcome.tagged:,} tagged lines from {LOG_GROUPS} log groups")
    print(f"  linkable {outcome.linkable:,}, linked {outcome.linked:,}")
    print(
        f"  dropped {outcome.dropped}, dead letters {outcome.dead_letters}, duplicates "
        f"{outcome.duplicates}, strangers {outcome.strangers}, parked {outcome.parked}"
    )
    print(f"  counted: {', '.join(f'{n:,} {verdict}' for verdict, n in outcome.counted.items())}")
    print(f"  {outcome.seconds:.0f} s, {outcome.tagged / outcome.seconds:,.0f} lines a second")
    print(
        f"  the validator's largest process: {first / 2**20:.1f} MB in the first half, "
        f"{second / 2**20:.1f} MB in the second: {second / first:.2f} (at most {FLAT_RATIO})"
    )
    assert outcome.linked == outcome.linkable
    assert (outcome.dropped, outcome.dead_letters, outcome.strangers) == (0, 0, 0)
    assert second <= FLAT_RATIO * first


def measure(lines: int) -> Outcome:
    """Deploy, write so many tagged lines, and count what has arrived."""
    with Emulator() as aws, tempfile.TemporaryDirectory() as folder:
        linked_log_group = _deploy(aws, Path(folder))
        load = _Load(aws, linked_log_group, lines)
        outcome = Outcome(lines, lines - lines // MISSPELLED_EVERY)
        started = time.monotonic()
        with _memory_watched(aws, outcome.memory):
            load.write()
            load.wait(outcome.linkable)
            outcome.seconds = time.monotonic() - started
        arrived = load.arrived()
        expected = {number for number in range(lines) if not _is_misspelled(number)}
        outcome.linked = len(expected & set(arrived))
        outcome.duplicates = arrived.total() - len(arrived)
        outcome.strangers = len(set(arrived) - expected)
        outcome.dropped = load.metric(names.DROPPED_LINES)
        outcome.parked = load.metric(names.PARKED_LINES)
        outcome.counted = {
            verdict: load.metric(names.LINES, Verdict=verdict)
            for verdict in ("linkable", "misspelled_tag")
        }
        outcome.dead_letters = load.dead_letters()
        return outcome


def log_groups() -> list[str]:
    """The tracked log groups' names."""
    return [f"/app/service-{number:02}" for number in range(LOG_GROUPS)]


def _deploy(aws: Emulator, folder: Path) -> str:
    secret = aws.client("secretsmanager").create_secret(
        Name="openreplay", SecretString=_TOKEN_SECRET.decode()
    )
    cdk = CdkCli(aws.child_environment(), folder / "cdk.out")
    cdk.bootstrap()
    outputs = folder / "outputs.json"
    settings = {
        "new_log_groups": ",".join(log_groups()),
        "token_secret": secret["ARN"],
        "removal_policy": "destroy",
    }
    cdk.deploy(settings, outputs)
    aws.evaluate_iam(True)
    name: str = json.loads(outputs.read_text())[_STACK]["LinkedLogGroupName"]
    return name


def _is_misspelled(number: int) -> bool:
    return number % MISSPELLED_EVERY == MISSPELLED_EVERY - 1


def _line(number: int, now_ms: int) -> str:
    session = number // LINES_OF_A_SESSION
    if number % LINES_OF_A_SESSION == 0 or session not in _tags:
        _tags.clear()
        token = compose_token(
            session_id=(now_ms - 1_550_000_000_000 << 24) | session << 2,
            delay_ms=session % 1000,
            expires_ms=now_ms + 7_200_000,
            token_secret=_TOKEN_SECRET,
        )
        _tags[session] = token_tag(token)
    tag = _tags[session]
    if _is_misspelled(number):
        tag = tag.replace("=", ": ", 1)
    return f"{tag} ERROR number={number} {_TEXT}"


_tags: dict[int, str] = {}


@dataclass
class _Load:
    """Lines on their way through one deployment."""

    aws: Emulator
    linked_log_group: str
    lines: int
    written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self) -> None:
        """Write all lines, a call to each log group in turn."""
        logs = self.aws.client("logs")
        for name in log_groups():
            logs.create_log_stream(logGroupName=name, logStreamName="web-1")
        calls = self._calls()
        with ThreadPoolExecutor(WRITERS) as pool:
            for done in [pool.submit(self._write_calls, calls) for _ in range(WRITERS)]:
                done.result()

    def _calls(self) -> Iterator[tuple[str, list[str]]]:
        groups = log_groups()
        now_ms = int(time.time() * 1000)
        for call, start in enumerate(range(0, self.lines, LINES_OF_A_CALL)):
            numbers = range(start, min(start + LINES_OF_A_CALL, self.lines))
            yield groups[call % LOG_GROUPS], [_line(number, now_ms) for number in numbers]

    def _write_calls(self, calls: Iterator[tuple[str, list[str]]]) -> None:
        logs = self.aws.client("logs")
        while True:
            with self._lock:
                self._hold_back()
                log_group, messages = next(calls, ("", []))
                self.written += len(messages)
            if not messages:
                return
            now_ms = int(time.time() * 1000)
            events = [{"timestamp": now_ms, "message": message} for message in messages]
            logs.put_log_events(logGroupName=log_group, logStreamName="web-1", logEvents=events)

    def _hold_back(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.written - self.judged() > MOST_WAITING and time.monotonic() < deadline:
            time.sleep(0.1)

    def judged(self) -> int:
        """How many tagged lines the validator has counted."""
        return sum(self.metric(names.LINES, Verdict=one) for one in ("linkable", "misspelled_tag"))

    def wait(self, linkable: int) -> None:
        """Wait until so many lines are linked, or nothing has moved for long."""
        last, moved = -1, time.monotonic()
        while last < linkable and time.monotonic() - moved < PATIENCE_SECONDS:
            now = self.metric(names.LINES, Verdict="linkable") - self.metric(names.PARKED_LINES)
            now += self.metric(names.REDELIVERED_LINES)
            if now != last:
                last, moved = now, time.monotonic()
            time.sleep(0.2)

    def arrived(self) -> Counter[int]:
        """The numbers of all linked lines: stream by stream, as each page is a scan of them."""
        logs = self.aws.client("logs")
        pages = logs.get_paginator("filter_log_events")
        found: Counter[int] = Counter()
        for stream in log_groups():
            for page in pages.paginate(logGroupName=self.linked_log_group, logStreamNames=[stream]):
                found.update(_number(event["message"], stream) for event in page["events"])
        return found

    def metric(self, name: str, **dimensions: str) -> int:
        """The sum of a metric of ours."""
        cloudwatch = self.aws.client("cloudwatch")
        of_any = {names.DEPLOYMENT: None, **dimensions}
        return metric_sum(cloudwatch, names.NAMESPACE, name, of_any)

    def dead_letters(self) -> int:
        """How many messages wait in the dead-letter queue."""
        sqs = self.aws.client("sqs")
        (url,) = [one for one in sqs.list_queues()["QueueUrls"] if "DeadLetter" in one]
        name = "ApproximateNumberOfMessages"
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(found["Attributes"][name])


def _number(message: str, stream: str) -> int:
    """The number of a line; -1 for one that is in another log group's stream."""
    line = LinkedLine.decode(message)
    found = _NUMBER.search(line.message)
    return int(found.group(1)) if found and line.group == stream else -1


@contextmanager
def _memory_watched(aws: Emulator, samples: list[tuple[float, int]]) -> Iterator[None]:
    """Take the size of the validator's largest process twice a second. Linux only."""
    started, stop = time.monotonic(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            sizes = [_resident(process) for process in _validators(aws)]
            if any(sizes):
                samples.append((time.monotonic() - started, max(sizes)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _validators(aws: Emulator) -> list[Path]:
    """The processes of this emulator that run the validator."""
    port = aws.endpoint_url.rpartition(":")[2]
    marks = (b"\0OWN_LOG_GROUP=", f"\0GATEWAY_PORT={port}\0".encode())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if all(mark in environment for mark in marks):
            found.append(process)
    return found


def _resident(process: Path) -> int:
    """A process's resident bytes; 0 where it has ended."""
    try:
        pages = int((process / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
