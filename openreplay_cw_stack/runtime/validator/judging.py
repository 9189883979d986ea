"""All lines of a payload judged: what :func:`.judge_line` says of each, at a fraction of its cost.

Most tagged lines are alike: one bracketed tag of a session that was seen before, and no other
token. Such a line is not taken apart and put together again: its text in the payload is JSON
already, and is spliced into the linked line as it stands. Every other line goes to
:func:`.judge_line`; tests hold the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.runtime.linked_line import LinkedLine, encode_source, splice_linked_line
from openreplay_cw_stack.runtime.validator.encoded_events import EncodedEvents
from openreplay_cw_stack.runtime.validator.known_tags import KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.subscription import Subscription, read_log_event
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
    splice = _splicer(events.subscription, policy, known_tags, token_secret, now_ms)
    spliced = 0
    for entry, message in zip(events.entries, events.messages, strict=True):
        line = splice(entry, message, judged) if message is not None else None  # type: ignore[arg-type]
        if line is not None:
            judged.linked.append(line)
            spliced += 1
            continue
        log_event = read_log_event(entry)
        if log_event is None:
            judged.unreadable += 1
            continue
        whole = judge_line(
            log_event, events.subscription, policy, token_secret=token_secret, now_ms=now_ms
        )
        judged.verdicts[whole.verdict] += 1
        judged.expired += whole.expired
        if whole.linked is not None:
            judged.linked.append(whole.linked)
    for verdict, lines in ((Verdict.LINKABLE, spliced), (Verdict.UNTAGGED, events.untagged)):
        if lines:
            judged.verdicts[verdict] += lines
    return judged


_Splice = Callable[[dict[str, Any], str, JudgedLines], "str | None"]
_NAME = f"{TOKEN_TAG_NAME}="
_BEGIN = f"[{_NAME}"
_ID_NAME = f"{ID_TAG_NAME}="
_SEARCH_ALONE = frozenset({Reader.SEARCH})


def _splicer(
    subscription: Subscription,
    policy: Policy,
    known_tags: KnownTags,
    token_secret: bytes | None,
    now_ms: int,
) -> _Splice:
    """A function that makes a log event a linked line, or says None where it has to be looked at.

    It takes an entry, its message as :class:`EncodedEvents` has it, and where to count.
    """
    if policy.readers != _SEARCH_ALONE:
        return lambda entry, encoded, judged: None
    known = known_tags.judged_with(token_secret)
    source = encode_source(subscription.owner, subscription.log_group, subscription.log_stream)

    def splice(entry: dict[str, Any], encoded: str, judged: JudgedLines) -> str | None:
        text = entry["message"]
        start = text.find(_BEGIN)
        if start < 0:
            return None
        tag = text[start : text.find("]", start) + 1]
        known_tag = known[tag] if tag in known else known_tags.add(tag)
        before = text[:start]
        if known_tag is None or _has_tag(before) or len(encoded) > MAX_SPLICED_CHARACTERS:
            return None
        after = text[start + len(tag) :]
        encoded_before, _, encoded_after = encoded.partition(tag)
        if tag in after:
            if "\\\\" in encoded:
                return None
            after = _without_repeated(after, tag, "\n")
            encoded_after = _without_repeated(encoded_after, tag, "\\n")
        if after.startswith(" ") and (not before or before[-1] in ' \n"'):
            after, encoded_after = after[1:], encoded_after[1:]
        rest = before + after
        if has_session_token(rest):
            return None
        judged.expired += known_tag.expires_ms <= now_ms
        return splice_linked_line(
            known_tag.session_id,
            entry["timestamp"],
            entry["id"],
            source,
            level_of(rest),
            f"{known_tag.id_tag} {encoded_before}{encoded_after}",
        )

    return splice


def _has_tag(before: str) -> bool:
    """Whether something else may decide, or be linked, that stands in front of a tag."""
    return bool(before) and (_NAME in before or _ID_NAME in before)


def _without_repeated(after: str, tag: str, line_break: str) -> str:
    return after.replace(f"{line_break}{tag} ", line_break).replace(tag, "")
