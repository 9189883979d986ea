"""Judge all lines of a payload, and group the linkable ones by session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload
from openreplay_cw_stack.runtime.validator.token_secret import Secrets
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging.text_tags import may_have_tag
from openreplay_cw_stack.tagging.verdict import JudgedToken, judge_token

_TOKENS = 4096
_MAX_TOKEN = 160
"""The maximum length of a cached token. A session token has at most 88 characters."""


class TokenMemo:
    """Judges session tokens, and caches the results while the token secret stays the same.

    The cache helps because a payload has many lines of one session.
    """

    def __init__(self) -> None:
        self._use(None)

    def judge_with(self, secrets: Secrets | None) -> None:
        """Judge with these token secrets from now on; None accepts every well-formed signature."""
        if secrets != self._secrets:
            self._use(secrets)

    def judge(self, text: str) -> JudgedToken:
        """Judge a session token."""
        if len(text) > _MAX_TOKEN:
            return _judge_with(text, self._secrets)
        return self._remembered(text)

    def _use(self, secrets: Secrets | None) -> None:
        self._secrets = secrets
        self._remembered = lru_cache(_TOKENS)(partial(_judge_with, secrets=secrets))


def _judge_with(text: str, secrets: Secrets | None) -> JudgedToken:
    judged = judge_token(text, None if secrets is None else secrets[0])
    for one in (secrets or ())[1:]:
        if judged.verdict is Verdict.BAD_SIGNATURE:
            judged = judge_token(text, one)
    return judged


@dataclass
class JudgedLines:
    """The lines of one payload.

    Attributes:
        verdicts: the number of lines by verdict.
        expired: the number of linkable lines with an expired token.
        cut: the number of linkable lines that were cut.
        by_session: the linked lines of each session.
        rest: the events that were not judged for lack of time.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    expired: int = 0
    cut: int = 0
    by_session: dict[int, list[LinkedLine]] = field(default_factory=dict)
    rest: Sequence[LogEvent] = ()


def judge_lines(
    payload: Payload, policy: Policy, *, now_ms: int, has_time: Callable[[], bool]
) -> JudgedLines:
    """Judge the lines of a payload while there is time.

    Args:
        payload: the payload to judge.
        policy: how sessions are identified.
        now_ms: the time for the expiry check, in milliseconds since 1970.
        has_time: returns whether there is time for one more line. The first line is always judged,
            so that each delivery of a payload makes progress.
    """
    judged = JudgedLines()
    for position, event in enumerate(payload.events):
        if position and not has_time():
            judged.rest = payload.events[position:]
            break
        if not may_have_tag(event.message):
            judged.verdicts[Verdict.UNTAGGED] += 1
            continue
        line = judge_line(event, payload, policy, now_ms=now_ms)
        judged.verdicts[line.verdict] += 1
        judged.expired += line.expired
        if line.linked is not None:
            linked, cut = line.linked.within_limit()
            judged.cut += cut
            judged.by_session.setdefault(linked.session, []).append(linked)
    return judged
