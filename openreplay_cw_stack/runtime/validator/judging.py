"""All lines of a payload judged: what :func:`.judge_line` says of each, at a fraction of its cost.

Most tagged lines are alike: one bracketed tag of a session that was seen before, and no other
token. Such a line is not taken apart and put together again: its text in the payload is JSON
already, and is spliced into the linked line as it stands. Every other line goes to
:func:`.judge_line`; tests hold the two together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.runtime.linked_line import LinkedLine, encode_source
from openreplay_cw_stack.runtime.validator.encoded_events import EncodedEvents
from openreplay_cw_stack.runtime.validator.known_tags import KnownTag, KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.subscription import read_log_event
from openreplay_cw_stack.tagging import ID_TAG_NAME, TOKEN_TAG_NAME, Reader, Verdict
from openreplay_cw_stack.tagging.redaction import has_session_token

MAX_SPLICED_CHARACTERS = 250_000
"""A longer message may need more than a log event's 1 MB, and have to be cut."""


@dataclass
class JudgedLines:
    """The lines of one payload.

    Attributes:
        verdicts: how many lines have which.
        expired: how many are linkable with an expired token.
        unreadable: how many entries were no log events.
        linked: the linked lines in their order; a text is one that is encoded already, and fits
            into a log event.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    expired: int = 0
    unreadable: int = 0
    linked: list[LinkedLine | str] = field(default_factory=list)


_NAME = f"{TOKEN_TAG_NAME}="
_BEGIN = f"[{_NAME}"
_ID_NAME = f"{ID_TAG_NAME}="
_SEARCH_ALONE = frozenset({Reader.SEARCH})


def judge_lines(
    events: EncodedEvents,
    policy: Policy,
    known_tags: KnownTags,
    *,
    token_secret: bytes | None,
    now_ms: int,
) -> JudgedLines:
    """Judge every line of a payload. Never raises for what one contains."""
    judged = JudgedLines()
    subscription = events.subscription
    source = encode_source(subscription.owner, subscription.log_group, subscription.log_stream)
    known = known_tags.judged_with(token_secret) if policy.readers == _SEARCH_ALONE else None
    linked: list[LinkedLine | str] = judged.linked
    spliced = 0
    for entry, encoded in zip(events.entries, events.messages, strict=True):
        split = _split(entry, encoded, known, known_tags)
        if split is not None:
            tag, text, encoded_text = split
            judged.expired += tag.expires_ms <= now_ms
            linked.append(
                f'{tag.line_begins}{entry["timestamp"]},"id":"{entry["id"]}",{source},"level":"'
                f'{level_of(text)}","message":"{tag.message_begins}{encoded_text}"}}'
            )
            spliced += 1
            continue
        log_event = read_log_event(entry)
        if log_event is None:
            judged.unreadable += 1
            continue
        whole = judge_line(
            log_event, subscription, policy, token_secret=token_secret, now_ms=now_ms
        )
        judged.verdicts[whole.verdict] += 1
        judged.expired += whole.expired
        if whole.linked is not None:
            linked.append(whole.linked)
    judged.verdicts.update({Verdict.LINKABLE: spliced, Verdict.UNTAGGED: events.untagged})
    return judged


def _split(
    entry: Any,
    encoded: str | None,
    known: dict[str, KnownTag | None] | None,
    known_tags: KnownTags,
) -> tuple[KnownTag, str, str] | None:
    """The tag that decides, the text without it, and the same text encoded.

    None where the line has to be looked at. An entry whose encoded message is known is a log event.
    """
    if encoded is None or known is None or len(encoded) > MAX_SPLICED_CHARACTERS:
        return None
    text = entry["message"]
    start = text.find(_BEGIN)
    if start < 0:
        return None
    end = text.find("]", start) + 1
    name = text[start:end]
    tag = known[name] if name in known else known_tags.add(name)
    if tag is None:
        return None
    if start:
        before = text[:start]
        if _NAME in before or _ID_NAME in before or text.find(name, end) >= 0:
            return None
        if text.startswith(" ", end) and before[-1] in ' \n"':
            end += 1
        rest = before + text[end:]
        encoded_start = encoded.find(name)
        encoded_rest = encoded[:encoded_start] + encoded[encoded_start + end - start :]
    else:
        if text.startswith(" ", end):
            end += 1
        rest, encoded_rest = text[end:], encoded[end:]
        if name in rest:
            if "\\\\" in encoded_rest:
                return None
            rest = _without_repeated(rest, name, "\n")
            encoded_rest = _without_repeated(encoded_rest, name, "\\n")
    return None if has_session_token(rest) else (tag, rest, encoded_rest)


def _without_repeated(rest: str, name: str, line_break: str) -> str:
    return rest.replace(f"{line_break}{name} ", line_break).replace(name, "")
