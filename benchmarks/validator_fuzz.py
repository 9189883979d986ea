"""Hostile payloads and lines, in larger numbers than a test can run.

The benchmark changes lines of the conformance set, and whole payloads, at random and passes them
through the validator. The validator must not raise. Stored lines must be exactly those that
``judge`` finds linkable, must be readable, and must not contain a session token. ``LINES=1000000``
sets the number of lines.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import Bounds
from benchmarks.stand_ins import take, validator
from benchmarks.subscription_payloads import NOW_MS, TOKEN_SECRET
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, Attributes, read_item
from openreplay_cw_stack.tagging import compose_token, judge, remove_session_tokens, token_tag

LINES = int(os.environ.get("LINES", "200000"))
LINES_OF_A_PAYLOAD = 20
CONFORMANCE = Path(__file__).parents[1] / "tests/tagging/conformance/lines.jsonl"
_RIGHT_TAGS = [
    token_tag(
        compose_token(session_id=2**61 + n, expires_ms=NOW_MS + 10**7, token_secret=TOKEN_SECRET)
    )
    for n in range(5)
]


class _Keeps:
    def __init__(self) -> None:
        self.items: list[Attributes] = []
        self.letters = 0

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        self.items += items
        return []

    def send(self, _message: str) -> None:
        self.letters += 1


def run() -> None:
    """Print the number of processed lines. Fail on any error."""
    bounds = Bounds()
    source = random.Random(int(os.environ.get("SEED", "1")))
    seeds = [json.loads(line)["message"] for line in CONFORMANCE.read_text("utf-8").splitlines()]
    pieces = [piece for text in seeds for piece in text.split(" ")]
    stored = unusable = 0
    for _ in range(LINES // LINES_OF_A_PAYLOAD):
        messages = [_changed(source, seeds, pieces) for _ in range(LINES_OF_A_PAYLOAD)]
        stored += _look_at(messages)
        unusable += _look_at_payload(source, messages)
    held = bounds.require(
        "some lines were linkable, and some payloads unusable", stored * unusable > 0
    )
    print(
        f"\n{LINES:,} random lines, {stored:,} of them stored; as many payloads with a random "
        f"change, {unusable:,} of {LINES // LINES_OF_A_PAYLOAD:,} unusable: no fault   {held}"
    )
    bounds.conclude()


def _look_at(messages: list[str]) -> int:
    kept = _Keeps()
    function = validator(kept, retry_queue=kept, dead_letters=kept)
    take(function, _event(_document(messages)))
    expected = Counter(
        judged.session_id
        for judged in (judge(one, token_secret=TOKEN_SECRET, now_ms=NOW_MS) for one in messages)
        if judged.session_id is not None
    )
    found: Counter[int | None] = Counter()
    for item in kept.items:
        session = int(item[PARTITION_KEY]["S"])
        for line in read_item(session, item).lines:
            found[session] += 1
            if remove_session_tokens(line.message) != line.message:
                raise AssertionError("a session token was stored")
    if found != expected or kept.letters:
        raise AssertionError("the stored lines are not the linkable lines")
    return found.total()


def _look_at_payload(source: random.Random, messages: list[str]) -> bool:
    text = _document(messages)
    at = source.randrange(len(text))
    changed = text[:at] + source.randbytes(source.randrange(3)) + text[at + source.randrange(3) :]
    kept = _Keeps()
    function = validator(kept, retry_queue=kept, dead_letters=kept)
    event = _event(changed)
    if source.random() < 0.2:
        data = base64.b64decode(event["awslogs"]["data"])
        at = source.randrange(len(data))
        data = data[:at] + source.randbytes(1) + data[at + source.randrange(3) :]
        event = {"awslogs": {"data": base64.b64encode(data).decode()}}
    take(function, event)
    for item in kept.items:
        read_item(int(item[PARTITION_KEY]["S"]), item)
    return kept.letters > 0


def _document(messages: list[str]) -> bytes:
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/app/checkout",
        "logStream": "web-1",
        "subscriptionFilters": ["OpenReplay"],
        "logEvents": [
            {"id": f"{number:056}", "timestamp": NOW_MS, "message": message}
            for number, message in enumerate(messages)
        ],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _event(document: bytes) -> dict[str, Any]:
    data = base64.b64encode(gzip.compress(document, compresslevel=1)).decode()
    return {"awslogs": {"data": data}}


def _changed(source: random.Random, texts: list[str], pieces: list[str]) -> str:
    text = source.choice(texts).encode("utf-8", "replace").decode()
    for _ in range(source.randrange(4)):
        at = source.randrange(len(text) + 1)
        change = source.randrange(5)
        if change == 0:
            text = text[:at] + text[at + source.randrange(4) :]
        elif change == 1:
            text = text[:at] + chr(source.choice((0, 9, 10, 34, 92, 127, 233, 0x1F600))) + text[at:]
        elif change == 2:
            piece = source.choice(_RIGHT_TAGS if source.random() < 0.5 else pieces)
            text = text[:at] + piece + text[at:]
        elif change == 3:
            text = f"{text}\n{source.choice(pieces)}"
        else:
            text = text.swapcase() if source.random() < 0.1 else text + source.choice(" ]=\\")
    return text.encode("utf-8", "replace").decode()
