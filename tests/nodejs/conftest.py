from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[[str, Any], Any]
"""What Node.js makes of something: a kind of question, and the question."""


@pytest.fixture(scope="session")
def node() -> str:
    """The program ``node``."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    return found


@pytest.fixture(scope="session")
def ask(node: str) -> Iterator[Ask]:
    """Asks one process of Node.js, which lives as long as the tests."""
    program = Path(__file__).parent / "answers.js"
    with subprocess.Popen(
        [node, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(kind: str, question: Any) -> Any:
            stdin.write(json.dumps([kind, question]) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield ask
        stdin.close()
