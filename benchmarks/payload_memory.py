"""The memory and time that the function needs for the largest payloads.

Each payload decompresses to just below ``MAX_DECOMPRESSED_BYTES`` and passes through the whole
validator, including boto3's signed requests, in a separate process. The benchmark reads the peak
resident memory (VmHWM) of the process; Lambda also counts the memory of a whole process. In a
second run the session table refuses every item, and the log events go to the retry queue.

Time is CPU time on this machine. A function with 512 MB has 512/1769 of a CPU (AWS Lambda Developer
Guide, "Configure Lambda function memory"), so the same work takes 3.5 times as long there, if its
core is as fast as one here. Judging stops when 25 of the function's 60 seconds are left. The
benchmark checks the steps that do not watch the time: reading the payload; judging one line;
packing the judged lines, between the 25th and the 15th second before the end; and sending all of
them to the retry queue, in the last 15 seconds minus the 7 that a call to DynamoDB may take.

Lambda accepts at most 1 MB for an asynchronous invocation, including base64. Larger payloads are
marked: they can only arrive through a stream.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import Bounds
from benchmarks.stand_ins import TABLE_ARN, client_to_nowhere, take, validator
from benchmarks.subscription_payloads import NOW_MS, TOKEN_SECRET, encoded
from openreplay_cw_stack.contract.session_table import Attributes, pack_items
from openreplay_cw_stack.runtime.validator import subscription
from openreplay_cw_stack.runtime.validator.aws import DynamoDbTable
from openreplay_cw_stack.runtime.validator.judging import TokenMemo, judge_lines
from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.runtime.validator.queues import send_events
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused
from openreplay_cw_stack.runtime.validator.subscription import Payload, read_payload
from openreplay_cw_stack.runtime.validator.validator import JUDGING_RESERVE_MS, STORING_RESERVE_MS
from openreplay_cw_stack.tagging import compose_token, token_tag

MEMORY_MEGABYTES = 512
MARGIN = 0.85
"""The maximum share of the memory for a payload. The rest is for other versions of Python and
boto3."""
TIMEOUT_SECONDS = 60
SLOWER = 1769 / MEMORY_MEGABYTES
"""How many times longer the function takes than one full CPU."""

CALL_SECONDS = 7
"""The longest call to DynamoDB: 2 seconds to connect, 5 for the response."""
DIRECT_BYTES = 1_000_000
"""The longest event of an asynchronous invocation. AWS Lambda Developer Guide, "Lambda quotas"."""

_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "benchmark"}
_ROOT = Path(__file__).parents[1]
_PROSE = "the payment of order 4711 was refused by the bank, and the customer is asked again; "
_EVENT_BYTES = 130
"""The overhead of an event beside its message."""

# The most expensive texts found so far that resemble tags.
_TAG_LIKE = {
    "names": "openReplaySessionToken",
    "misspelled": 'openreplaysessiontoken\\"  : ',
    "name, brackets": "[openReplaySessionToken=] [",
    "ids": "openReplaySession.id=7 ",
    "JSON": '{"openReplaySessionToken": "1.2.3"}, ',
    "base 58": "1" * 37 + ".",
    "dots": "a.-",
    "level": "[error] {",
}


def run() -> None:
    """Print the peak memory and the CPU time of each payload."""
    bounds = Bounds()
    cap = subscription.MAX_DECOMPRESSED_BYTES
    print(
        f"\nthe largest payloads: {cap / 2**20:.0f} MiB of JSON, a process of its own, "
        f"{MEMORY_MEGABYTES} MB in Lambda"
    )
    print(
        "  payload                                 lines  items   peak MB  above start   queued: "
        "peak MB          reading s  longest line s  packing s  queueing s  all s   (CPU here)"
    )
    longest = {"reading": 0.0, "line": 0.0, "packing": 0.0, "queueing": 0.0, "all": 0.0}
    for name, messages in _payloads(cap):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "payload.json")
            lines = list(messages)
            path.write_text(json.dumps(_event(lines)))
            mark = "*" if path.stat().st_size > DIRECT_BYTES else " "
            stored, queued, times = (_measured(path, how) for how in ("stored", "queued", "times"))
        peak = max(stored["peak"], queued["peak"])
        held = bounds.check(f"{name}: MB", peak, MEMORY_MEGABYTES * MARGIN)
        for part in longest:
            # A stream redelivers what cannot be stored, so nothing is queued.
            if part != "queueing" or mark == " ":
                longest[part] = max(longest[part], times[part])
        print(
            f"  {name:37}{mark} {len(lines):>6} {times['items']:>6.0f} {stored['peak']:>9.0f}"
            f" {stored['peak'] - stored['start']:>12.0f} {queued['peak']:>17.0f} {held:>6}"
            f" {times['reading']:>12.2f} {times['line']:>15.2f} {times['packing']:>10.2f}"
            f" {times['queueing']:>11.2f} {times['all']:>6.1f}",
            flush=True,
        )
    print("  *: longer than 1 MB as an event")
    print(f"  bound: {MARGIN:.0%} of {MEMORY_MEGABYTES} MB, {MEMORY_MEGABYTES * MARGIN:.0f} MB")
    _print_times(longest, bounds)
    bounds.conclude()


def _print_times(longest: dict[str, float], bounds: Bounds) -> None:
    start = TIMEOUT_SECONDS - JUDGING_RESERVE_MS / 1000
    pack = (JUDGING_RESERVE_MS - STORING_RESERVE_MS) / 1000
    print(f"  in Lambda, {SLOWER:.1f} times as long:")
    for what, seconds, limit in (
        (
            f"reading and one line, before the last {JUDGING_RESERVE_MS / 1000:.0f} s",
            longest["reading"] + longest["line"],
            start,
        ),
        (f"packing, before the last {STORING_RESERVE_MS / 1000:.0f} s", longest["packing"], pack),
        ("queueing everything", longest["queueing"], STORING_RESERVE_MS / 1000 - CALL_SECONDS),
    ):
        held = bounds.check(what, seconds * SLOWER, limit)
        print(f"    {what:45} {seconds * SLOWER:6.1f} s, at most {limit:.0f} s   {held}")
    print(f"    {'the slowest payload as a whole':45} {longest['all'] * SLOWER:6.1f} s")


def _payloads(cap: int) -> Iterator[tuple[str, Iterator[str]]]:
    """Return the messages of each payload, by the payload's name."""
    emoji = _PROSE * 7 + "\U0001f4b3"
    yield "emoji in every line, one session", _filled(cap, lambda _: f"{_tag(0)} {emoji}")
    yield "emoji in every line, many sessions", _filled(cap, lambda n: f"{_tag(n)} {emoji}")
    yield (
        "short lines, many sessions",
        _filled(cap, lambda n: f"{_tag(n)} \U0001f4b3{n}"),
    )
    yield "empty lines", _filled(cap, lambda _: "")
    for lines in (3, 20):
        size = cap // lines - 2000
        text = (_PROSE * (size // len(_PROSE)))[: size - 4]
        tag = _tag(0)
        yield (
            f"{lines} huge lines with an emoji",
            iter([f"{tag} {text[len(tag) + 1 :]}\U0001f4b3"] * lines),
        )
    for name, piece in _TAG_LIKE.items():
        # A quotation mark takes two bytes in JSON.
        length = len(json.dumps(piece)) - 2
        text = piece * (1_000_000 // length)
        yield f"20 lines of 1 MB, {name}", iter([text] * 20)
    text = " ".join(_tag(n) for n in range(6000))
    yield f"20 lines of {len(text) / 1e6:.1f} MB, right tags", iter([text] * 20)


def _filled(cap: int, message: Callable[[int], str]) -> Iterator[str]:
    left = cap - 1000
    number = 0
    while True:
        text = message(number)
        left -= len(text.encode()) + _EVENT_BYTES
        if left < 0:
            return
        yield text
        number += 1


def _tag(session: int) -> str:
    """Return a valid tag."""
    if session not in _tags:
        token = compose_token(
            session_id=(NOW_MS - 1_550_000_000_000 << 24) + session,
            delay_ms=100,
            expires_ms=NOW_MS + 7_200_000,
            token_secret=TOKEN_SECRET,
        )
        _tags[session] = token_tag(token)
    return _tags[session]


_tags: dict[int, str] = {}


def _event(messages: Sequence[str]) -> dict[str, Any]:
    events = [
        {"id": f"{number:056}", "timestamp": NOW_MS + number, "message": message}
        for number, message in enumerate(messages)
    ]
    return encoded(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "/app/checkout",
            "logStream": "web-1",
            "subscriptionFilters": ["OpenReplay"],
            "logEvents": events,
        }
    )


def _measured(payload: Path, how: str) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, str(payload), how]
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=900
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


class _RefusesEverything:
    def write(self, _items: Sequence[Attributes]) -> Sequence[Attributes]:
        raise WriteRefused(Refusal.UNAVAILABLE, "InternalServerError")


class _CountsBytes:
    def __init__(self) -> None:
        self.sent = 0

    def send(self, message: str) -> None:
        self.sent += len(message)


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _in_this_process(payload: str, how: str) -> dict[str, float]:
    client = client_to_nowhere("dynamodb", _ENVIRONMENT)
    queue = _CountsBytes()
    table = DynamoDbTable(TABLE_ARN, client) if how == "stored" else _RefusesEverything()
    function = validator(table, retry_queue=queue, dead_letters=queue)
    take(function, _event([_tag(0)]))
    start = _peak_megabytes()
    with open(payload) as file:
        event = json.load(file)
    if how == "times":
        return _times(event)
    take(function, event)
    return {"start": start, "peak": _peak_megabytes()}


def _times(event: object) -> dict[str, float]:
    began = time.process_time()
    payload = read_payload(event)
    if payload is None:
        raise RuntimeError("not a payload")
    read = time.process_time()
    memo = TokenMemo()
    memo.judge_with((TOKEN_SECRET,))
    policy = Policy(memo.judge, False)
    lines = Payload(payload.owner, payload.log_group, payload.log_stream, payload.events)
    ticks = [time.process_time()]

    def has_time() -> bool:
        ticks.append(time.process_time())
        return True

    judged = judge_lines(lines, policy, now_ms=NOW_MS, has_time=has_time)
    ticks.append(time.process_time())
    items = [item for one in judged.by_session.values() for item in pack_items(one)]
    packed = time.process_time()
    send_events(_CountsBytes(), payload, payload.events, counted=True)
    queued = time.process_time()
    return {
        "reading": read - began,
        "line": max(later - earlier for earlier, later in itertools.pairwise(ticks)),
        "packing": packed - ticks[-1],
        "queueing": queued - packed,
        "all": packed - began,
        "items": len(items),
    }


if __name__ == "__main__":
    print(json.dumps(_in_this_process(*sys.argv[1:])))
