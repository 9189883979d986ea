"""All lines of a payload judged: what :func:`.judge_line` says of each, at a fraction of its cost.

Most tagged lines have one bracketed tag of a session seen before, and no other token. Such a line
is encoded at once; every other goes to :func:`.judge_line`. Tests hold the two together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from openreplay_cw_stack.runtime.linked_line import LinkedLine, encode_source, is_linked_line
from openreplay_cw_stack.runtime.validator.known_tags import KnownTag, KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Subscription, is_log_event
from openreplay_cw_stack.tagging import ID_TAG_NAME, TOKEN_TAG_NAME, Reader, Verdict, token_tag
from openreplay_cw_stack.tagging.redaction import has_session_token

MAX_CHARACTERS = 250_000
"""An encoded line that is longer may be more than a log event's 1 MB, and have to be cut."""


@dataclass
class JudgedLines:
    """The lines of one payload.

    Attributes:
        verdicts: how many lines have which.
        expired: how many are linkable with an expired token.
        unreadable: how many entries were no log events.
        refused: how many are linked lines already. They are judged no more: two deployments that
            track each other's linked log groups would never come to an end.
        linked: the linked lines in their order; a text is one that is encoded already, and fits
            into a log event.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    expired: int = 0
    unreadable: int = 0
    refused: int = 0
    linked: list[LinkedLine | str] = field(default_factory=list)


_NAME = f"{TOKEN_TAG_NAME}="
_BEGIN = f"[{_NAME}"
_ID_NAME = f"{ID_TAG_NAME}="
_SEARCH_ALONE = frozenset({Reader.SEARCH})


def judge_lines(
    subscription: Subscription,
    entries: list[Any],
    policy: Policy,
    known_tags: KnownTags,
    *,
    token_secret: bytes | None,
    now_ms: int,
) -> JudgedLines:
    """Judge every line of a payload. Never raises for what one contains.

    The entries are those of :func:`.read_payload`; the rest is as for :func:`.judge_line`.
    """
    judged = JudgedLines()
    source = encode_source(subscription.owner, subscription.log_group, subscription.log_stream)
    known = known_tags.judged_with(token_secret)
    tokens_are_removed = policy.readers == _SEARCH_ALONE
    linked, in_short = judged.linked, 0
    readable = _readable(entries)
    judged.unreadable = len(entries) - len(readable)
    tagged = [entry for entry in readable if "replay" in entry["message"].lower()]
    for entry in tagged:
        message = entry["message"]
        found = _only_tag(message, known, known_tags) if tokens_are_removed else None
        if found is not None:
            tag, text = found
            line = (
                f'{tag.line_begins}{entry["timestamp"]},"id":{_encoded(entry["id"])},{source},'
                f'"level":"{level_of(text)}","message":{_encoded(tag.message_begins + text)}}}'
            )
            if len(line) <= MAX_CHARACTERS:
                linked.append(line)
                in_short += 1
                judged.expired += tag.expires_ms <= now_ms
                continue
        if is_linked_line(message):
            judged.refused += 1
            continue
        whole = judge_line(
            LogEvent(entry["id"], entry["timestamp"], message),
            subscription,
            policy,
            token_secret=token_secret,
            now_ms=now_ms,
        )
        judged.verdicts[whole.verdict] += 1
        judged.expired += whole.expired
        if whole.linked is not None:
            linked.append(whole.linked)
    untagged = len(readable) - len(tagged)
    judged.verdicts.update({Verdict.LINKABLE: in_short, Verdict.UNTAGGED: untagged})
    return judged


def _readable(entries: list[Any]) -> list[Any]:
    """The entries that are log events. Nearly always all are, which is told in one go."""
    try:
        types = [
            {type(entry[name]) for entry in entries} for name in ("id", "timestamp", "message")
        ]
    except (TypeError, KeyError, IndexError):
        types = []
    return entries if types == [{str}, {int}, {str}] else list(filter(is_log_event, entries))


def _only_tag(
    message: str, known: dict[str, KnownTag | None], known_tags: KnownTags
) -> tuple[KnownTag, str] | None:
    """The tag that decides, if no other counts, and the message as it is linked.

    None where the line has to be looked at, as a linked line has: its message begins with an id.
    """
    before, _, behind = message.partition(_BEGIN)
    value, bracket, after = behind.partition("]")
    if not bracket or len(message) > MAX_CHARACTERS:
        return None
    tag = known[value] if value in known else known_tags.add(value)
    if tag is None:
        return None
    if value in after:
        name = token_tag(value)
        after = after.replace(f"\n{name} ", "\n").replace(name, "")
    if after.startswith(" ") and (not before or before[-1] in ' \n"'):
        after = after[1:]
    if before:
        if _NAME in before or _ID_NAME in before:
            return None
        after = before + after
    return None if has_session_token(after) else (tag, after)


def _encoded(text: str) -> str:
    """A JSON string as :meth:`LinkedLine.encode` writes it."""
    if text.isascii():
        # The quicker one of the two escapes DEL, which it need not.
        return encode_basestring_ascii(text) if "\x7f" not in text else encode_basestring(text)
    return encode_basestring(text.encode("utf-8", "replace").decode())
