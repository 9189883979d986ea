from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.commands.session.support import (
    World,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield World()
