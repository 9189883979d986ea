"""One emulator for all tests of this folder: they use names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator import Emulator

# A minute of Lambda's retries, in seconds.
MINUTE = "0.1"


@pytest.fixture(scope="session")
def aws() -> Iterator[Emulator]:
    with Emulator(extra_environment={"LAMBDA_ASYNC_RETRY_BASE_SECONDS": MINUTE}) as emulator:
        yield emulator
