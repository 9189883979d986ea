"""The events of a payload together with their messages as the payload's JSON has them.

A message in a payload is a JSON string already. Where it is written as we would write it, it can be
copied into a linked line as it stands. And where few lines have a tag, only those are read: all
others are counted. Both hold for documents of the one shape that CloudWatch Logs writes, with its
members in order and without blanks; any other document is read whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.decoder import scanstring

from openreplay_cw_stack.runtime.validator.subscription import (
    Subscription,
    read_payload,
)


@dataclass(frozen=True)
class EncodedEvents:
    """A payload.

    Attributes:
        subscription: where the events come from; its own ``log_events`` are empty.
        entries: of ``logEvents``, as they stand there; nothing says that one is a log event.
        messages: for each entry its message as a JSON string without the quotes around it, as
            ``json.dumps`` with ``ensure_ascii=False`` has it; None where that is not known.
        untagged: how many further log events there are, none of which has a tag.
    """

    subscription: Subscription
    entries: Sequence[object]
    messages: Sequence[str | None]
    untagged: int = 0


def read_events(text: bytes) -> EncodedEvents | None:
    """Read a payload; None for a control message.

    Args:
        text: see :func:`.decompress`.

    Raises:
        InvalidPayload: the text is no payload.
    """
    document = _decode(text)
    if document is not None and _has_few_tags(text):
        tagged_alone = _read_tagged(text, document)
        if tagged_alone is not None:
            return tagged_alone
    payload = read_payload(text if document is None else document)
    if payload is None:
        return None
    subscription, entries = payload
    return EncodedEvents(subscription, entries, _encoded_messages(document or "", entries))


def _decode(text: bytes) -> str | None:
    """The text, if it is UTF-8 to the letter and begins as CloudWatch's do."""
    try:
        return text.decode() if text.startswith(b'{"') else None
    except UnicodeDecodeError:
        return None


_TEXT = r'"[^"\\\x00-\x1f]*"'
_MEMBER = rf'"[A-Za-z]{{1,40}}":(?:{_TEXT}|\[(?:{_TEXT}(?:,{_TEXT})*)?\])'
_PREAMBLE = re.compile(rf'\{{(?:{_MEMBER},){{1,16}}"logEvents":\[\{{"id":"')
_BETWEEN_EVENTS = '"},{"id":"'
_END = '"}]}'
_OTHER_ESCAPE = re.compile(r'\\[^"nrtbf]')


def _encoded_messages(document: str, entries: list[object]) -> list[str | None]:
    """The messages of all entries, up to the first that the text has in another form.

    Each piece between separators is held against its entry, beginning with the first; so a
    separator that stands anywhere else in the document is noticed.
    """
    messages: list[str | None] = []
    preamble = _PREAMBLE.match(document)
    pieces = document.split(_BETWEEN_EVENTS) if preamble and document.endswith(_END) else []
    if preamble and len(pieces) == len(entries):
        pieces[-1] = pieces[-1][: -len(_END)]
        pieces[0] = pieces[0][preamble.end() :]
        for entry, piece in zip(entries, pieces, strict=True):
            message = _encoded_message(entry, piece)
            if message is None:
                break
            messages.append(message)
    return messages + [None] * (len(entries) - len(messages))


def _encoded_message(entry: object, piece: str) -> str | None:
    """The encoded message of an entry, if ``piece`` is ``id","timestamp":time,"message":"text``.

    An escape of two characters stands for one. So where there are no others, the lengths say
    whether the message is all of the rest.
    """
    if type(entry) is not dict or len(entry) != 3:
        return None
    try:
        message, timestamp = entry["message"], entry["timestamp"]
        head = f'{entry["id"]}","timestamp":{timestamp},"message":"'
    except KeyError:
        return None
    if type(message) is not str or type(timestamp) is not int or not piece.startswith(head):
        return None
    encoded = piece[len(head) :]
    if len(encoded) == len(message):
        return encoded
    if _OTHER_ESCAPE.search(encoded):
        return _encoded_again(message, encoded)
    return encoded if len(encoded) == len(message) + encoded.count("\\") else None


def _encoded_again(message: str, encoded: str) -> str | None:
    try:
        text, end = scanstring(encoded + '"', 0, True)
    except ValueError:
        return None
    if end != len(encoded) + 1 or text != message:
        return None
    return json.dumps(message, ensure_ascii=False)[1:-1]


# Every digit is a 0, upper case letters of "eplays" are in lower case, the characters that may
# stand between the words of a tag's name are an "s", and control characters are NUL. Then the
# events of CloudWatch's (an id has 56 digits, a time 13) have one head, and whatever may be a tag,
# misspelled as it may be, has one substring.
_ONE_OF_A_KIND = bytes(
    0
    if byte < 0x20
    else {**dict.fromkeys(b"123456789", 0x30), **dict.fromkeys(b" _-", 0x73)}.get(
        byte, byte + 0x20 if byte in b"REPLAYS" else byte
    )
    for byte in range(256)
)
_TAGS_SUBSTRING = b"replays"
_HEAD = f'{_BETWEEN_EVENTS}{"0" * 56}","timestamp":{"0" * 13},"message":"'.encode()
_ID_STARTS = len(_BETWEEN_EVENTS)
_PROBED_BYTES = 32_768


def _has_few_tags(text: bytes) -> bool:
    probe = text[:_PROBED_BYTES]
    return probe.count(b"eplay") * 4 < probe.count(_BETWEEN_EVENTS.encode())


def _read_tagged(text: bytes, document: str) -> EncodedEvents | None:
    """The events that may have a tag; None where the document is not CloudWatch's own."""
    preamble = _PREAMBLE.match(document)
    if preamble is None or not document.endswith(_END):
        return None
    alike = text.translate(_ONE_OF_A_KIND)
    begin = len(preamble.group().encode())
    if b"\0" in alike or not alike.startswith(_HEAD[_ID_STARTS:], begin):
        return None
    events = alike.count(_HEAD, begin) + 1
    try:
        pieces = [text[start:end].decode() for start, end in _tagged_pieces(alike, begin)]
        payload = read_payload(preamble.group()[: -len('{"id":"')] + "]}")
        entries = [json.loads(f'{{"id":"{piece}"}}') for piece in pieces]
    except (ValueError, RecursionError):
        return None
    if payload is None:
        return None
    messages = list(map(_encoded_message, entries, pieces))
    return EncodedEvents(payload[0], entries, messages, events - len(entries))


def _tagged_pieces(alike: bytes, begin: int) -> Iterator[tuple[int, int]]:
    """Where the events are that may have a tag, each between its separators."""
    position = alike.find(_TAGS_SUBSTRING, begin)
    while position >= 0:
        head = alike.rfind(_HEAD, begin, position)
        start = begin if head < 0 else head + _ID_STARTS
        end = alike.find(_HEAD, position)
        if end < 0:
            yield start, len(alike) - len(_END)
            return
        yield start, end
        begin = end + _ID_STARTS
        position = alike.find(_TAGS_SUBSTRING, begin)
