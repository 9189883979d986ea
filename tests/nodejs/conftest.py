from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[[str, Any], Any]
"""Calls a function of ``answers.js`` with an argument and returns its result."""


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of ``node``."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    return found


@pytest.fixture(scope="session")
def ask(node: str) -> Iterator[Ask]:
    """Return a function that calls ``answers.js`` in one Node.js process for the whole run."""
    program = Path(__file__).parent / "answers.js"
    with subprocess.Popen(
        [node, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(kind: str, argument: Any) -> Any:
            stdin.write(json.dumps([kind, argument]) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield ask
        stdin.close()
