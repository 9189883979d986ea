"""Subscription payloads as CloudWatch Logs delivers them, with lines of realistic programs.

The lines alternate between six programs: Python's logging, JSON lines of Powertools with the token
field, the same with the tag in the message, Java with Logback, Node on Lambda, and Python
tracebacks. A third of Java's and Node's lines have a stack trace, as in services with errors. About
five lines belong to one session, and every token is signed.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from openreplay_cw_stack.tagging import TOKEN_TAG_NAME, compose_token, token_tag

TOKEN_SECRET = b"benchmark"
LOG_GROUP = "/app/checkout"
NOW_MS = 1_795_464_000_000
LINES_OF_A_SESSION = 5
LINES = (50, 500, 5000)
TAGGED_SHARES = (0.1, 1.0)

_FIRST_ID = 39_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000
_WORDS = [
    "payment",
    "order",
    "customer",
    "refused",
    "bank",
    "card",
    "declined",
    "stock",
    "reserved",
    "timeout",
    "upstream",
    "retry",
    "cart",
    "checkout",
    "invoice",
    "tax",
    "rate",
    "missing",
    "gateway",
    "connection",
    "closed",
    "by",
    "peer",
    "while",
    "waiting",
    "for",
    "answer",
]
_MODULES = ("checkout", "charge", "inventory", "pricing", "shipping", "search", "session")


def subscription_event(lines: int, tagged_share: float, seed: int = 7) -> dict[str, Any]:
    """Return the event of a Lambda invocation.

    Args:
        lines: the number of log events.
        tagged_share: the share of events with a session tag, from 0 to 1.
        seed: the seed of the random texts.
    """
    return encoded(subscription_document(lines, tagged_share, seed))


def subscription_document(
    lines: int,
    tagged_share: float,
    seed: int = 7,
    *,
    lines_of_a_session: int = LINES_OF_A_SESSION,
    programs: Sequence[Program] | None = None,
) -> dict[str, Any]:
    """Return the event's content, before JSON, gzip and base64."""
    programs = PROGRAMS if programs is None else programs
    source = random.Random(seed)
    every = round(1 / tagged_share)
    events = []
    for number in range(lines):
        tagged = number % every == 0
        token = _token(number // every // lines_of_a_session) if tagged else ""
        events.append(
            {
                "id": f"{_FIRST_ID + source.randrange(10**20):056}",
                "timestamp": NOW_MS - lines * 20 + number * 20 + source.randrange(20),
                "message": programs[(number // every) % len(programs)](source, token),
            }
        )
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": LOG_GROUP,
        "logStream": "web/web/0f3c1f0b6b0b4b6f9a57d2c1e8a4f6b2",
        "subscriptionFilters": ["OpenReplay"],
        "logEvents": events,
    }


def encoded(document: dict[str, Any]) -> dict[str, Any]:
    """Encode a document as an invocation's event: compact JSON in UTF-8, like CloudWatch."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return {"awslogs": {"data": base64.b64encode(gzip.compress(text.encode())).decode()}}


def _token(session: int) -> str:
    start_ms = NOW_MS - 600_000 - session * 977
    return compose_token(
        session_id=(start_ms - 1_550_000_000_000 << 24) | session % 7 << 8,
        delay_ms=session * 37 % 2000 - 700,
        expires_ms=start_ms + 7_200_000,
        token_secret=TOKEN_SECRET,
    )


def _tag(token: str) -> str:
    return f"{token_tag(token)} " if token else ""


def _prose(source: random.Random, words: int) -> str:
    return " ".join(
        f"{source.choice(_WORDS)}={source.randrange(10**6)}"
        if source.random() < 0.15
        else source.choice(_WORDS)
        for _ in range(words)
    )


def _clock(source: random.Random) -> str:
    return f"2026-11-24 03:{source.randrange(60):02}:{source.randrange(60):02}"


def python_logging(source: random.Random, token: str) -> str:
    """Return a line of Python's logging."""
    level = source.choice(("INFO", "INFO", "WARNING", "ERROR"))
    module = source.choice(_MODULES)
    prose = _prose(source, source.randrange(8, 30))
    clock = f"{_clock(source)},{source.randrange(1000):03}"
    return f"{_tag(token)}{clock} {level} shop.{module}: {prose}"


def json_line(source: random.Random, token: str) -> str:
    """Return a JSON line with the token field."""
    fields = _json_fields(source, "")
    return json.dumps({**fields, TOKEN_TAG_NAME: token} if token else fields)


def _json_with_text_tag(source: random.Random, token: str) -> str:
    return json.dumps(_json_fields(source, _tag(token)))


def _json_fields(source: random.Random, tag: str) -> dict[str, object]:
    return {
        "level": source.choice(("INFO", "WARNING", "ERROR")),
        "location": f"{source.choice(_MODULES)}:{source.randrange(400)}",
        "message": f"{tag}{_prose(source, source.randrange(6, 20))}",
        "timestamp": f"{_clock(source)},{source.randrange(1000):03}+0000",
        "service": "checkout",
        "cold_start": False,
        "function_name": "checkout-api",
        "function_memory_size": "512",
        "function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:checkout-api",
        "function_request_id": f"{source.getrandbits(128):032x}",
        "order": {"id": source.randrange(10**8), "items": source.randrange(1, 9)},
        "xray_trace_id": f"1-{source.getrandbits(32):08x}-{source.getrandbits(96):024x}",
    }


def _java(source: random.Random, token: str) -> str:
    level = source.choice(("INFO ", "WARN ", "ERROR"))
    prose = _prose(source, source.randrange(6, 16))
    line = (
        f"{_clock(source)}.{source.randrange(1000):03} {level} 1 --- "
        f"[nio-8080-exec-{source.randrange(1, 20)}] c.a.b.{source.choice(_MODULES).title()}"
        f"Controller : {_tag(token)}{prose}"
    )
    if source.random() > 1 / 3:
        return line
    frames = "".join(
        f"\n\tat com.acme.{source.choice(_MODULES)}.{source.choice(_WORDS).title()}Service."
        f"{source.choice(_WORDS)}({source.choice(_WORDS).title()}Service.java:"
        f"{source.randrange(900)})"
        for _ in range(source.randrange(12, 30))
    )
    return f"{line}\njava.lang.IllegalStateException: {prose}{frames}\n\t... 31 more"


def _node(source: random.Random, token: str) -> str:
    request = f"{source.getrandbits(128):032x}"
    level = source.choice(("INFO", "WARN", "ERROR"))
    line = (
        f"{_clock(source).replace(' ', 'T')}.{source.randrange(1000):03}Z\t{request[:8]}-"
        f"{request[8:12]}-{request[12:16]}-{request[16:20]}-{request[20:]}\t{level}\t{_tag(token)}"
    )
    if source.random() > 1 / 3:
        return line + _prose(source, source.randrange(8, 24))
    frames = "".join(
        f"\n    at {source.choice(_WORDS)} (/var/task/node_modules/{source.choice(_WORDS)}/lib/"
        f"{source.choice(_MODULES)}.js:{source.randrange(900)}:{source.randrange(80)})"
        for _ in range(source.randrange(6, 12))
    )
    return f"{line}TypeError: Cannot read properties of undefined (reading 'sku'){frames}"


def _traceback(source: random.Random, token: str) -> str:
    frames = "".join(
        f'\n  File "/app/shop/{source.choice(_MODULES)}.py", line {source.randrange(900)}, in '
        f"{source.choice(_WORDS)}\n    {source.choice(_WORDS)}({source.choice(_WORDS)}, "
        f"{source.choice(_WORDS)}={source.randrange(10**4)})"
        for _ in range(source.randrange(4, 14))
    )
    return (
        f"{_tag(token)}{_clock(source)} ERROR shop.{source.choice(_MODULES)}: "
        f"{_prose(source, 6)}\nTraceback (most recent call last):{frames}\n"
        f"shop.errors.{source.choice(_WORDS).title()}Failed: {_prose(source, 5)}"
    )


Program = Callable[[random.Random, str], str]
PROGRAMS = (python_logging, json_line, _json_with_text_tag, _java, _node, _traceback)
