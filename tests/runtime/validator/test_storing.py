from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE
from openreplay_cw_stack.contract.session_table import Attributes, SessionItem, pack_items
from openreplay_cw_stack.runtime.validator.storing import (
    RETRY_SECONDS,
    ItemWriter,
    Refusal,
    StoringReport,
    WriteRefused,
)
from tests.contract.lines import ARRIVED_MS, LINE, RETENTION_SECONDS, written
from tests.runtime.validator.fakes import (
    FakeClock,
    FakeTable,
    Key,
    invalidating,
    key_of,
    refusing,
    throttling,
)


def an_item(session: int, number: int = 0) -> SessionItem:
    (item,) = pack_items([replace(LINE, session=session, id=str(number))])
    return item


def items(count: int) -> list[SessionItem]:
    return [an_item(session) for session in range(count)]


def store(
    table: FakeTable,
    given_items: Sequence[SessionItem],
    clock: FakeClock | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> StoringReport:
    clock = clock or FakeClock()
    return ItemWriter(table, clock, clock.sleep).store(
        given_items, arrived_ms=ARRIVED_MS, retention_seconds=RETENTION_SECONDS, has_time=has_time
    )


def check_that_each_ends_once(given_items: Sequence[SessionItem], report: StoringReport) -> None:
    ended = [*report.stored, *report.missing, *(item for item, _ in report.invalid)]
    assert Counter(item.key for item in ended) == Counter(item.key for item in given_items)


@pytest.mark.parametrize("count", [0, 1, 25, 26, 60])
def test_all_are_written_in_as_few_calls_as_possible(count: int) -> None:
    table, clock = FakeTable(), FakeClock()
    report = store(table, items(count), clock)
    assert report.stored == items(count)
    assert (report.missing, report.invalid, report.throttled) == ([], [], 0)
    assert [len(call) for call in table.calls] == [
        min(ITEMS_PER_BATCH_WRITE, count - first)
        for first in range(0, count, ITEMS_PER_BATCH_WRITE)
    ]
    assert list(table.items.values()) == [written(item) for item in items(count)]
    assert clock.slept == []


def test_an_item_given_twice_is_written_once() -> None:
    table = FakeTable()
    report = store(table, [an_item(1), an_item(2), an_item(1)])
    assert len(report.stored) == 3
    assert len(table.written_keys) == 2


class TestThrottling:
    def test_what_was_not_written_is_written_again(self) -> None:
        table, clock = FakeTable(), FakeClock()
        table.fault = lambda given: (
            [key_of(item) for item in given[1:]] if len(table.calls) < 3 else None
        )
        report = store(table, items(4), clock)
        assert [len(call) for call in table.calls] == [4, 3, 2]
        assert (len(report.stored), report.missing, report.throttled) == (4, [], 5)
        assert clock.slept == [0.1, 0.2]

    def test_a_call_that_was_throttled_as_a_whole_is_repeated(self) -> None:
        table, clock = FakeTable(), FakeClock()

        def once(given: Sequence[Attributes]) -> None:
            if len(table.calls) == 1:
                raise WriteRefused(Refusal.THROTTLED, "ProvisionedThroughputExceededException")

        table.fault = once
        report = store(table, items(30), clock)
        # The other call is not held up.
        assert [len(call) for call in table.calls] == [25, 5, 25]
        assert (len(report.stored), report.missing, report.throttled) == (30, [], 25)

    def test_a_hot_session_does_not_hold_up_others(self) -> None:
        hot = [an_item(7, number) for number in range(40)]
        others = [an_item(session) for session in range(100, 140)]
        table, clock = FakeTable(fault=throttling(7)), FakeClock()
        report = store(table, [*hot, *others], clock)
        # Each is written once, in the first pass.
        first_pass = {key for call in table.calls[:4] for key in call}
        assert first_pass == {key_of(written(item)) for item in [*hot, *others]}
        assert all(len(call) == 25 for call in table.calls[:3])
        assert (report.stored, report.missing) == (others, hot)
        assert report.failure == "UnprocessedItems"

    def test_it_ends_after_three_seconds(self) -> None:
        clock = FakeClock()
        report = store(FakeTable(fault=throttling(0)), items(2), clock)
        assert report.missing == [an_item(0)]
        assert clock.now <= RETRY_SECONDS
        assert clock.slept == [0.1, 0.2, 0.4, 0.8]
        assert report.throttled == 5

    def test_slow_calls_count(self) -> None:
        clock = FakeClock(per_look=1.0)
        store(FakeTable(fault=refusing(Refusal.THROTTLED)), items(1), clock)
        assert len(clock.slept) <= 2


class TestInvalidItems:
    def test_one_is_found_and_the_others_are_written(self) -> None:
        table = FakeTable(fault=invalidating(3, 30))
        report = store(table, items(60))
        assert report.invalid == [
            (an_item(3), "ValidationException"),
            (an_item(30), "ValidationException"),
        ]
        assert (len(report.stored), report.missing) == (58, [])
        assert [len(call) for call in table.calls] == [25, *[1] * 25, 25, *[1] * 25, 10]

    def test_it_is_not_tried_again_with_what_was_throttled(self) -> None:
        table = FakeTable()

        def fault(given: Sequence[Attributes]) -> Iterable[Key] | None:
            invalidating(1)(given)
            return throttling(2)(given)

        table.fault = fault
        report = store(table, items(4))
        assert [item.session for item, _ in report.invalid] == [1]
        assert [item.session for item in report.missing] == [2]
        assert [call for call in table.calls[1:] if call == [key_of(written(an_item(1)))]] == [
            [key_of(written(an_item(1)))]
        ]

    @pytest.mark.parametrize("refusal", [Refusal.DENIED, Refusal.UNAVAILABLE])
    def test_looking_for_it_stops_where_calls_fail_for_another_reason(
        self, refusal: Refusal
    ) -> None:
        table, clock = FakeTable(), FakeClock(per_look=4.0)

        def fault(given: Sequence[Attributes]) -> None:
            if len(table.calls) > 3:
                raise WriteRefused(refusal, "Code")
            invalidating(24)(given)

        table.fault = fault
        report = store(table, items(60), clock)
        assert [len(call) for call in table.calls] == [25, 1, 1, 1]
        assert (len(report.stored), len(report.missing), report.invalid) == (2, 58, [])


class TestStopping:
    def test_a_denied_call_is_the_last_one(self) -> None:
        table, clock = FakeTable(fault=refusing(Refusal.DENIED, "AccessDenied")), FakeClock()
        report = store(table, items(60), clock)
        assert (len(table.calls), clock.slept) == (1, [])
        assert (report.missing, report.failure) == (items(60), "AccessDenied")
        assert report.throttled == 0

    def test_an_unavailable_table_is_asked_once_in_a_pass(self) -> None:
        table, clock = FakeTable(fault=refusing(Refusal.UNAVAILABLE, "Timeout")), FakeClock()
        report = store(table, items(60), clock)
        assert len(table.calls) == 1 + len(clock.slept) == 5
        assert (report.missing, report.failure) == (items(60), "Timeout")

    def test_one_that_answers_again_gets_everything(self) -> None:
        table = FakeTable()

        def fault(given: Sequence[Attributes]) -> None:
            if len(table.calls) == 2:
                raise WriteRefused(Refusal.UNAVAILABLE, "Timeout")

        table.fault = fault
        report = store(table, items(60))
        assert len(report.stored) == 60
        assert [len(call) for call in table.calls] == [25, 25, 25, 10]

    def test_nothing_is_written_without_time(self) -> None:
        table = FakeTable()
        report = store(table, items(3), has_time=lambda: False)
        assert (table.calls, report.missing) == ([], items(3))
        assert report.failure == "no time left"

    def test_time_may_end_between_calls(self) -> None:
        table = FakeTable()
        report = store(table, items(60), has_time=lambda: not table.calls)
        assert [len(call) for call in table.calls] == [25]
        assert (report.stored, report.missing) == (items(60)[:25], items(60)[25:])

    def test_and_before_a_repetition(self) -> None:
        table, clock = FakeTable(fault=throttling(1)), FakeClock()
        report = store(table, items(3), clock, has_time=lambda: not table.calls)
        assert (len(table.calls), clock.slept) == (1, [])
        assert [item.session for item in report.missing] == [1]


outcomes = st.sampled_from(["written", "some", "invalid", "no time", *Refusal])


@given(
    st.integers(0, 70),
    st.sets(st.integers(0, 70), max_size=3),
    st.lists(outcomes, max_size=12),
    st.randoms(use_true_random=False),
)
def test_every_item_ends_in_exactly_one_place(
    count: int, bad: set[int], plan: list[str | Refusal], chance: object
) -> None:
    given_items = items(count)
    table = FakeTable()
    steps = iter(plan)

    def fault(given: Sequence[Attributes]) -> list[Key] | None:
        invalidating(*bad)(given)
        step = next(steps, "written")
        if step == "some":
            return [key_of(item) for item in given if chance.random() < 0.5]  # type: ignore[attr-defined]
        if isinstance(step, Refusal) and step is not Refusal.INVALID:
            raise WriteRefused(step, "Code")
        return None

    table.fault = fault
    report = store(table, given_items, has_time=lambda: next(steps, "written") != "no time")
    check_that_each_ends_once(given_items, report)
    assert {int(session) for session, _ in table.items} == {item.session for item in report.stored}
    assert {item.session for item, _ in report.invalid} <= bad
    assert not {item.session for item in report.stored} & bad
    assert (report.failure is not None) or not report.missing
