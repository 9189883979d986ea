"""Payloads and lines nobody would write, many more of them than a test has time for.

Nothing may raise, and what is judged the short way has to be what the long way says. With atheris
installed (it needs no other change) the inputs follow the code's branches; else they are random
changes to the lines of the conformance set. ``LINES=1000000`` is how many lines there are to be.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from openreplay_cw_stack.runtime.linked_line import LinkedLine, is_linked_line
from openreplay_cw_stack.runtime.validator.judging import judge_lines
from openreplay_cw_stack.runtime.validator.known_tags import KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.skimming import skim_payload
from openreplay_cw_stack.runtime.validator.subscription import (
    InvalidPayload,
    LogEvent,
    Payload,
    Subscription,
    may_be_tagged,
    parse_payload,
    read_event,
)
from openreplay_cw_stack.tagging import judge, remove_session_tokens

LINES = int(os.environ.get("LINES", "1000000"))
LINES_OF_A_PAYLOAD = 20
NOW_MS = 1_795_464_000_000
CONFORMANCE = Path(__file__).parents[1] / "tests/tagging/conformance/lines.jsonl"
SUBSCRIPTION = Subscription("123456789012", "/app/checkout", "web-1")
_known_tags = KnownTags()


def run() -> None:
    """Print how many lines went through; fail on any fault."""
    if importlib.util.find_spec("atheris") is None:
        print(f"\n{_random_lines(LINES)} random lines: no exception, the short way is the long way")
        return
    # atheris ends its process, so it has one of its own.
    payloads = LINES // LINES_OF_A_PAYLOAD
    command = [sys.executable, "-m", __name__, f"-runs={payloads}", "-max_len=4096"]
    subprocess.run(command, check=True)
    print(f"\n{payloads} payloads that follow the branches: no exception")


def look_at(messages: list[str], secret: bytes) -> None:
    """Take lines through everything that looks at one, and through both ways of judging them."""
    for message in messages:
        judge(message, token_secret=secret, now_ms=NOW_MS)
        remove_session_tokens(message)
        level_of(message)
    events = [
        {"id": f"{number:056}", "timestamp": NOW_MS, "message": message}
        for number, message in enumerate(messages)
    ]
    document = _document(events)
    payload = skim_payload(document)
    if payload is None or _events(payload) != _events(parse_payload(document)):
        raise AssertionError("skimming and parsing differ")
    short = judge_lines(payload, Policy(), _known_tags, token_secret=secret, now_ms=NOW_MS)
    long = [
        judge_line(
            LogEvent(f"{number:056}", NOW_MS, message),
            SUBSCRIPTION,
            Policy(),
            token_secret=secret,
            now_ms=NOW_MS,
        ).linked
        for number, message in enumerate(messages)
        if not is_linked_line(message)
    ]
    texts = [line.encode() if isinstance(line, LinkedLine) else line for line in short.linked]
    if texts != [line.encode() for line in long if line is not None]:
        raise AssertionError("the two ways differ")
    for text in texts:
        LinkedLine.decode(text)


def look_at_payload(text: bytes) -> None:
    """Take the text of a payload through the reading of it."""
    skimmed = skim_payload(text)
    try:
        parsed = parse_payload(text)
    except InvalidPayload:
        parsed = None
    if skimmed and parsed and _events(skimmed) != _events(parsed):
        raise AssertionError("skimming and parsing differ")
    for payload in filter(None, (skimmed, parsed)):
        judge_lines(payload, Policy(), _known_tags, token_secret=b"secret", now_ms=NOW_MS)


def _events(payload: Payload | None) -> list[LogEvent]:
    """What may be tagged; an escape may have looked so."""
    events = map(read_event, payload.tagged) if payload else ()
    return [event for event in events if may_be_tagged(event.message)]


def _document(events: list[dict[str, Any]]) -> bytes:
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": SUBSCRIPTION.owner,
        "logGroup": SUBSCRIPTION.log_group,
        "logStream": SUBSCRIPTION.log_stream,
        "subscriptionFilters": ["OpenReplay"],
        "logEvents": events,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _seeds() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CONFORMANCE.read_text("utf-8").splitlines()]


def _random_lines(lines: int, seed: int = 1) -> int:
    source = random.Random(seed)
    seeds = _seeds()
    texts = [one["message"] for one in seeds]
    pieces = [piece for text in texts for piece in text.split(" ")]
    done = 0
    while done < lines:
        secret = source.choice(seeds)["secret"].encode()
        messages = [_changed(source, texts, pieces) for _ in range(LINES_OF_A_PAYLOAD)]
        look_at(messages, secret)
        events = [{"id": "1", "timestamp": NOW_MS, "message": message} for message in messages]
        document = _document(events)
        cut = source.randrange(len(document))
        look_at_payload(document[:cut] + source.randbytes(2) + document[cut + 2 :])
        done += len(messages)
    return done


def _changed(source: random.Random, texts: list[str], pieces: list[str]) -> str:
    text = source.choice(texts)
    for _ in range(source.randrange(4)):
        at = source.randrange(len(text) + 1)
        change = source.randrange(5)
        if change == 0:
            text = text[:at] + text[at + source.randrange(4) :]
        elif change == 1:
            text = text[:at] + chr(source.choice((0, 9, 10, 34, 92, 127, 233, 0xD800, 0x1F600)))
        elif change == 2:
            text = text[:at] + source.choice(pieces) + text[at:]
        elif change == 3:
            text = f"{text}\n{source.choice(texts)}"
        else:
            text = text.swapcase() if source.random() < 0.1 else text + source.choice(" ]=\\")
    return text


def _one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    look_at(text.split("\x1e")[:LINES_OF_A_PAYLOAD], b"HGFjq9dk2lsZ")
    look_at_payload(data)


def _follow_branches(arguments: list[str]) -> None:
    import atheris

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(_seeds()):
            message = seed["message"].encode("utf-8", "surrogateescape")
            Path(corpus, str(number)).write_bytes(message)
        atheris.Setup([sys.argv[0], *arguments, corpus], _one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    _follow_branches(sys.argv[1:])
