"""From a log event to its verdict and, where OpenReplay can link it, to a linked line."""

from __future__ import annotations

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Subscription
from openreplay_cw_stack.tagging import Reader, SessionTag, Verdict, id_tag, remove_session_tokens
from openreplay_cw_stack.tagging.values import Value
from openreplay_cw_stack.tagging.verdict import JudgedTag, decisive_tag


class Policy(Value):
    """What is asked of a line before it is linked.

    Attributes:
        readers: which readers the linked log group is for. A linkable line is linked where one of
            them will show it; with ``POLL`` among them its session token stays in the line.
        accept_unsigned_ids: whether a session id that nobody signed is accepted. It is not while
            a token secret is configured but cannot be read.
    """

    readers: frozenset[Reader] = frozenset({Reader.SEARCH})
    accept_unsigned_ids: bool = False


class JudgedLine(Value):
    """A log event with its verdict and, where it is to be linked, its linked line."""

    verdict: Verdict
    expired: bool
    linked: LinkedLine | None


def judge_line(
    log_event: LogEvent,
    subscription: Subscription,
    policy: Policy,
    *,
    token_secret: bytes | None,
    now_ms: int,
) -> JudgedLine:
    """Judge a log event and compose its linked line. Never raises for what the event contains."""
    decisive = decisive_tag(
        log_event.message,
        token_secret=token_secret,
        unsigned_ids_accepted=policy.accept_unsigned_ids,
        now_ms=now_ms,
    )
    linked = None
    if _is_read(decisive, log_event.message, policy, token_secret, now_ms):
        linked = _linked_line(log_event, subscription, decisive, Reader.POLL in policy.readers)
    return JudgedLine(decisive.verdict, decisive.expired, linked)


def _is_read(
    decisive: JudgedTag, message: str, policy: Policy, token_secret: bytes | None, now_ms: int
) -> bool:
    if decisive.verdict is not Verdict.LINKABLE:
        return False
    if Reader.SEARCH in policy.readers:
        return True
    # Few linked log groups are for this reader alone.
    from openreplay_cw_stack.tagging.poller import PollerReading, read_as_poller

    polled = read_as_poller(message, token_secret=token_secret, now_ms=now_ms)
    return polled.reading is PollerReading.EVENT


def _linked_line(
    log_event: LogEvent, subscription: Subscription, decisive: JudgedTag, keep_token: bool
) -> LinkedLine:
    session_id, tag = _identified(decisive)
    text = _without_tokens(log_event.message, tag, keep_token)
    return LinkedLine(
        session=session_id,
        time=log_event.timestamp,
        id=log_event.id,
        owner=subscription.owner,
        group=subscription.log_group,
        stream=subscription.log_stream,
        level=level_of(text),
        message=f"{id_tag(session_id)} {text}",
    )


def _identified(decisive: JudgedTag) -> tuple[int, SessionTag]:
    if decisive.session_id is None or decisive.tag is None:
        raise ValueError("only a linkable tag identifies a session")
    return decisive.session_id, decisive.tag


def _without_tokens(message: str, tag: SessionTag, keep_token: bool) -> str:
    before, after = message[: tag.start], message[tag.end :]
    if message.startswith("[", tag.start):
        # A traceback in one event has the tag in every line.
        repeated = message[tag.start : tag.end]
        after = after.replace(f"\n{repeated} ", "\n").replace(repeated, "")
    if keep_token:
        kept = message[tag.start : tag.end]
        return remove_session_tokens(before) + kept + remove_session_tokens(after)
    if after.startswith(" ") and (not before or before[-1] in ' \n"'):
        after = after[1:]
    return remove_session_tokens(before + after)
