"""Hostile requests to the bridge, many more of them than a test has time for."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.database import InMemoryExampleDatabase

from emulator.openreplay import LEVELS
from tests.runtime.bridge.support import World, a_line, body_of
from tests.runtime.bridge.test_bridge import json_values, requests

CASES = int(os.environ.get("CASES", "100000"))


def run() -> None:
    """Print how many requests were answered, and with which status; fail on any fault."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,
        database=InMemoryExampleDatabase(),
        suppress_health_check=list(HealthCheck),
    )
    @given(requests | json_values)
    def ask(event: Any) -> None:
        world = World()
        world.group.add(a_line(1))
        answer = world.handle(event)
        statuses[answer["statusCode"]] += 1
        if answer["statusCode"] >= 500 or "FailedQuestions" in world.metrics():
            raise AssertionError("a fault")
        if answer["body"]:
            document = body_of(answer)
            for hit in document.get("hits", {}).get("hits", []):
                if hit["_source"]["level"] not in LEVELS:
                    raise AssertionError("a hit that the player cannot take")

    ask()
    total = sum(statuses.values())
    by_status = dict(sorted(statuses.items()))
    print(f"\n{total} hostile requests: no exception, no 5xx; by status: {by_status}")
