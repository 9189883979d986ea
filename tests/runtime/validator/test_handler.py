from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# What takes a millisecond or more to import, and few invocations need. Lambda compiles what is ours
# in every cold start.
EXPENSIVE = {
    "contextlib",
    "dataclasses",
    "gzip",
    "hashlib",
    "inspect",
    "typing",
    "unicodedata",
    "openreplay_cw_stack.runtime.parked_lines",
    "openreplay_cw_stack.runtime.validator.parking",
    "openreplay_cw_stack.runtime.validator.stream_records",
    "openreplay_cw_stack.runtime.validator.token_secret",
    "openreplay_cw_stack.tagging.judgement",
    "openreplay_cw_stack.tagging.minting",
    "openreplay_cw_stack.tagging.poller",
}


def test_importing_the_handler_imports_nothing_expensive() -> None:
    program = (
        "import json, sys, openreplay_cw_stack.runtime.validator.handler\n"
        "print(json.dumps(list(sys.modules)))"
    )
    # Without what an installation imports by itself.
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = set(json.loads(ran.stdout))
    assert "openreplay_cw_stack.runtime.validator.judging" in imported
    assert EXPENSIVE & imported == set()
