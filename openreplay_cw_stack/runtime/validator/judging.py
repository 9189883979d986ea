"""All lines of a payload judged: what :func:`.judge_line` says of each, at a fraction of its cost.

Most tagged lines have one bracketed tag of a session seen before, and no other token. The text of
such a line goes into its linked line as it came, escapes and all; every other line goes to
:func:`.judge_line`. Tests hold the two together.
"""

from __future__ import annotations

from collections import Counter

from openreplay_cw_stack.runtime.linked_line import LinkedLine, encode_source, is_linked_line
from openreplay_cw_stack.runtime.validator.known_tags import KnownTag, KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.log_level import level_of_escaped
from openreplay_cw_stack.runtime.validator.subscription import EscapedEvent, Payload, read_event
from openreplay_cw_stack.tagging import ID_TAG_NAME, TOKEN_TAG_NAME, Reader, Verdict, token_tag
from openreplay_cw_stack.tagging.redaction import has_session_token

MAX_CHARACTERS = 240_000
"""An encoded line of a longer event may be more than a log event's 1 MB, and have to be cut."""


class JudgedLines:
    """The lines of one payload.

    Attributes:
        verdicts: how many lines have which.
        expired: how many are linkable with an expired token.
        unreadable: how many entries were no log events.
        refused: how many are linked lines already. They are judged no more: two deployments that
            track each other's linked log groups would never come to an end.
        linked: the linked lines in their order; a text is one that is encoded already.
    """

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.expired = 0
        self.unreadable = 0
        self.refused = 0
        self.linked: list[LinkedLine | str] = []


_NAME = f"{TOKEN_TAG_NAME}="
_BEGIN = f"[{_NAME}"
_ID_NAME = f"{ID_TAG_NAME}="
_LINKED_LINE_BEGINS = ('{\\"v\\":', "{\\u0022v\\u0022:")
_SEARCH_ALONE = frozenset({Reader.SEARCH})


def judge_lines(
    payload: Payload,
    policy: Policy,
    known_tags: KnownTags,
    *,
    token_secret: bytes | None,
    now_ms: int,
) -> JudgedLines:
    """Judge every line of a payload. Never raises for what one contains."""
    judged = JudgedLines()
    whose = payload.subscription
    source = encode_source(whose.owner, whose.log_group, whose.log_stream)
    known = known_tags.judged_with(token_secret)
    tokens_are_removed = policy.readers == _SEARCH_ALONE
    linked, in_short = judged.linked, 0
    for event in payload.tagged:
        identifier, timestamp, message = event
        found = _only_tag(message, known, known_tags) if tokens_are_removed else None
        if found is None:
            _judge(event, payload, policy, token_secret, now_ms, judged)
            continue
        tag, text = found
        linked.append(
            f'{tag.line_begins}{timestamp},"id":"{identifier}",{source},'
            f'"level":"{level_of_escaped(text)}","message":"{tag.message_begins}{text}"}}'
        )
        in_short += 1
        judged.expired += tag.expires_ms <= now_ms
    judged.unreadable += payload.unreadable
    judged.verdicts.update({Verdict.LINKABLE: in_short, Verdict.UNTAGGED: payload.untagged})
    return judged


def _judge(
    event: EscapedEvent,
    payload: Payload,
    policy: Policy,
    token_secret: bytes | None,
    now_ms: int,
    judged: JudgedLines,
) -> None:
    try:
        log_event = read_event(event)
    except ValueError:
        judged.unreadable += 1
        return
    if is_linked_line(log_event.message):
        judged.refused += 1
        return
    line = judge_line(
        log_event, payload.subscription, policy, token_secret=token_secret, now_ms=now_ms
    )
    judged.verdicts[line.verdict] += 1
    judged.expired += line.expired
    if line.linked is not None:
        judged.linked.append(line.linked)


def _only_tag(
    message: str, known: dict[str, KnownTag | None], known_tags: KnownTags
) -> tuple[KnownTag, str] | None:
    """The tag that decides, if no other counts, and the message as it is linked, both escaped.

    None where the line has to be looked at, as one has that may be a linked line already.
    """
    before, _, behind = message.partition(_BEGIN)
    value, bracket, after = behind.partition("]")
    if not bracket or len(message) > MAX_CHARACTERS:
        return None
    tag = known[value] if value in known else known_tags.add(value)
    if tag is None:
        return None
    if before and _has_to_be_read(before):
        return None
    text = _joined(before, after)
    if has_session_token(text):
        text = _joined(before, _without(token_tag(value), after))
        if has_session_token(text):
            return None
    return tag, text


def _has_to_be_read(before: str) -> bool:
    """Whether what stands before a tag may be another one, or a linked line, or ends with a break.

    A line break may be written by its number.
    """
    return (
        _NAME in before
        or _ID_NAME in before
        or before.startswith(_LINKED_LINE_BEGINS)
        or before[-2:] == "\\n"
        or before[-6:-4] == "\\u"
    )


def _joined(before: str, after: str) -> str:
    """An escaped text without the tag between these two, and without the blank behind it."""
    if not before:
        return after.removeprefix(" ")
    return before + (after.removeprefix(" ") if before[-1] in ' "' else after)


def _without(tag: str, text: str) -> str:
    """An escaped text without a tag, which a traceback in one event has in every line of it."""
    # Of two backslashes, the "n" is no line break; and one may be written by its number.
    if f"\\\\n{tag} " in text or "\\u000" in text:
        return text
    return text.replace(f"\\n{tag} ", "\\n").replace(tag, "")
