from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.backfill.support import (
    FILTER,
    TEMPLATE,
    Functions,
    Logs,
    World,
)
from tests.commands.support import NOW, deploy


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    functions, logs = Functions(), Logs()
    pauses: list[float] = []
    clients = deploy(monkeypatch, FILTER, logs=logs, lambda_={"invoke": functions.invoke})
    clients["cloudformation"].answers["get_template"] = {"TemplateBody": TEMPLATE}
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr("time.sleep", pauses.append)
    yield World(logs, functions, pauses)
    assert functions.most_at_once <= 2
