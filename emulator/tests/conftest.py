"""One emulator for all tests of this folder. Each test uses its own names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator import Emulator

# A minute of Lambda's retries, in seconds.
MINUTE = "0.1"


@pytest.fixture(autouse=True)
def no_event_source_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete mappings after a test: a failing message would be retried during other tests."""
    yield
    if "aws" in request.fixturenames and "event_source" in request.module.__name__:
        functions = request.getfixturevalue("aws").client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.fixture(scope="session")
def aws() -> Iterator[Emulator]:
    with Emulator(extra_environment={"LAMBDA_ASYNC_RETRY_BASE_SECONDS": MINUTE}) as emulator:
        yield emulator
