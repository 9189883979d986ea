from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging import judge
from openreplay_cw_stack.tagging.propagation import uninstall
from openreplay_cw_stack.tagging.propagation.exceptions import session_of_exception
from tests.tagging.propagation.interpreters import environment
from tests.tagging.propagation.visitors import ANNA, headers_of

ROOT = Path(__file__).parents[2]
ANNAS, BERTS = 4118144119896553030, 2516582400000315960


def test_the_thread_pool() -> None:
    ran = subprocess.run(
        [sys.executable, "examples/thread_pool.py"],
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    ids = {"anna": ANNAS, "bert": BERTS, "nobody": None}
    notified = {
        name: {judge(line).session_id for line in ran.stderr.splitlines() if f"{name}'s" in line}
        for name in ids
    }
    assert notified == {name: {session_id} for name, session_id in ids.items()}
    linked = [judge(line).session_id for line in ran.stderr.splitlines()]
    assert {session_id: linked.count(session_id) for session_id in set(linked)} == dict.fromkeys(
        ids.values(), len(linked) // 3
    )


def test_the_lambda_function() -> None:
    try:
        module = importlib.import_module("examples.lambda_function")
        with pytest.raises(ValueError, match="no stock left") as raised:
            module.handler({"headers": headers_of(ANNA)}, None)
    finally:
        uninstall()
    assert session_of_exception(raised.value) == ANNA
