"""A payload as CloudWatch Logs writes it, read without parsing it.

Parsing is most of what a payload costs, and hardly anything of it is looked at: whose log group it
is, how many events there are, and of those with a tag a few letters. So the text is cut at what
stands before each message, which no text of JSON contains: its quotes would be escaped. The head
and the first event are parsed, and the others taken for events of the same form. Those that may
have a tag are held to it, so that nothing can be linked that a message does not say. A document
that is seen to be of another form is for :func:`.parse_payload`.
"""

from __future__ import annotations

import re

from openreplay_cw_stack.runtime.validator.subscription import (
    EscapedEvent,
    InvalidPayload,
    Payload,
    may_be_tagged,
    parse_payload,
    unescaped,
)

_BEFORE = '"logEvents":[{"id":"'
_BETWEEN = '"},{"id":"'
_BEHIND = '"}]}'
_FRONT = re.compile(_BETWEEN + r'([0-9A-Za-z]*)","timestamp":(0|-?[1-9][0-9]{0,17}),"message":"')
# Any quote but those with just one backslash before them, as escaped quotes nearly always have.
_UNUSUAL_QUOTE = re.compile(r'"(?<!(?<!\\)\\")')


def skim_payload(data: bytes) -> Payload | None:
    """A payload, if it is of the form that CloudWatch Logs writes; else None.

    For a document of that form it is what :func:`.parse_payload` says.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    start = text.find(_BEFORE) + len(_BEFORE)
    if start < len(_BEFORE) or not text.endswith(_BEHIND):
        return None
    first, *others = _FRONT.split(text[start : -len(_BEHIND)])
    _, *parts = _FRONT.split(_BETWEEN + first)
    parsed = _parsed(f"{text[:start]}{first}{_BEHIND}")
    if parsed is None or not parts or not _are_texts(parts[2:]):
        return None
    events = [*_events(parts), *_events(others)]
    tagged = [event for event in events if may_be_tagged(event[2])]
    # By the hundred, since many large texts cost more than what is done with them.
    for few in range(0, len(tagged), 100):
        if not _are_texts([message for _, _, message in tagged[few : few + 100]]):
            return None
    return Payload(parsed.subscription, len(events) - len(tagged), parsed.unreadable, tagged)


def _events(parts: list[str]) -> list[EscapedEvent]:
    return list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))


def _parsed(text: str) -> Payload | None:
    """A document with one event, which is readable."""
    try:
        payload = parse_payload(text.encode())
    except InvalidPayload:
        return None
    return None if payload is None or payload.unreadable else payload


def _are_texts(messages: list[str]) -> bool:
    """Whether each is a text of JSON as far as its end: no quote in it is one that ends it."""
    if not _UNUSUAL_QUOTE.search("\n".join(messages)):
        return True
    try:
        for message in messages:
            unescaped(message)
    except ValueError:
        return False
    return True
