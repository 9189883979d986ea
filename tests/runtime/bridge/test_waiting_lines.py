from __future__ import annotations

from dataclasses import dataclass, field

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.bridge.waiting_lines import WaitingLines


@dataclass
class Queue:
    answers: list[bool | None]
    now: float = 5.0
    looks: int = 0
    waiting: WaitingLines = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = WaitingLines(self.look, lambda: self.now)

    def look(self) -> bool:
        self.looks += 1
        answer = self.answers.pop(0)
        if answer is None:
            raise CallFailed("AccessDenied")
        return answer


def test_the_queue_is_looked_at_twice_a_minute_at_most() -> None:
    queue = Queue([True, False, True])
    found = []
    for _ in range(89):
        found.append(queue.waiting())
        queue.now += 1.0
    assert found == [True] * 30 + [False] * 30 + [True] * 29
    assert queue.looks == 3


def test_nothing_is_looked_at_before_it_is_asked() -> None:
    queue = Queue([])
    assert queue.looks == 0


def test_a_look_that_fails_says_no_and_is_not_repeated_at_once() -> None:
    queue = Queue([True, None, True])
    assert queue.waiting()
    queue.now += 30.0
    assert not queue.waiting()
    assert not queue.waiting()
    assert queue.looks == 2
    queue.now += 30.0
    assert queue.waiting()
