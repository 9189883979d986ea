"""The load of the benchmark, in small."""

from __future__ import annotations

import pytest

from benchmarks import load
from benchmarks.measuring import BoundMissed, Bounds
from benchmarks.simulation import Simulation
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused


def test_every_line_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "6000")
    monkeypatch.setattr(load, "OUTAGE", (20.0, 140.0))
    monkeypatch.setattr(load, "OUTAGE_ENDS", 200.0)
    monkeypatch.setattr(load, "HOT_SECONDS", 0.8)
    monkeypatch.setattr(load, "HOT_PAYLOADS_A_SECOND", 2500)
    load.run()


def test_a_line_that_is_missing_is_noticed() -> None:
    def refuses(_now: float) -> WriteRefused:
        return WriteRefused(Refusal.INVALID, "ValidationException")

    simulation = Simulation(refuses)
    simulation.run(iter([(0.0, load._payload([(0, load._line(0))], 0))]))

    bounds = Bounds()
    load._judge(simulation, load._linkable([0]), bounds, "one line")

    with pytest.raises(BoundMissed, match="one line"):
        bounds.conclude()
    assert len(simulation.dead_letters.letters) == 1


def test_lines_that_wait_are_stored_after_an_outage() -> None:
    def refuses(now: float) -> WriteRefused | None:
        refused = WriteRefused(Refusal.UNAVAILABLE, "InternalServerError")
        return refused if now < 100 else None

    simulation = Simulation(refuses)
    simulation.run(iter([(0.0, load._payload([(0, load._line(0))], 0))]))

    # At once, after 30 and 60 seconds, each time for up to three: the next pause is 120.
    (stored,) = simulation.table.stored_at.values()
    assert 200 < stored < 230
    assert (simulation.queue.sent, simulation.attempts) == (1, 4)
