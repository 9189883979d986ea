"""All lines of a payload judged, and the linkable ones grouped by session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging.grammar import may_have_tag


@dataclass
class JudgedLines:
    """The lines of one payload.

    Attributes:
        verdicts: how many lines have which.
        expired: how many linkable lines have an expired token.
        cut: how many linkable lines had to be cut.
        by_session: the linked lines of each session.
        rest: the events that there was no time for.
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
        payload: whose lines are judged.
        policy: what identifies a session.
        now_ms: the time to judge expiry by, in milliseconds since 1970.
        has_time: whether there is time for one more line. The first line is judged in any case,
            so that a payload that comes again gets shorter.
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
