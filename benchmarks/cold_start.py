"""The CPU time of a cold start of the bridge: a new process, compared with an empty one.

Only the bridge's cold start matters: a person who opens a replay waits for it. *Ready* means that
the first search has become a signed Query, which is not sent. The package's bytecode is not cached,
as in Lambda, where a function's folder is read-only. For comparison, the benchmark measures a boto3
client for the same call, which every such function needs. There is no bound.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 9

_READY = """
from benchmarks.stand_ins import TABLE_ARN, client_to_nowhere
from openreplay_cw_stack.runtime.bridge import handler
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable
environment = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "benchmark"}
assert not DynamoDbTable(TABLE_ARN, client_to_nowhere("dynamodb", environment)).page(7).items
"""
_PROGRAMS = {
    "a boto3 client": 'import boto3; boto3.client("dynamodb", region_name="eu-central-1")',
    "the handler's module": "import openreplay_cw_stack.runtime.bridge.handler",
    "ready": _READY,
}
_ROOT = Path(__file__).parents[1]


def run() -> None:
    """Print the milliseconds of each program."""
    rounds = []
    for _ in range(ROUNDS):
        empty = _cpu_ms("pass")
        rounds.append({name: _cpu_ms(text) - empty for name, text in _PROGRAMS.items()})
    print("\na cold start of the bridge: CPU ms above an empty process (no bound)")
    for name in _PROGRAMS:
        above = sorted(one[name] for one in rounds)
        print(f"  {name:24} {statistics.median(above):7.1f} ({above[0]:.1f} to {above[-1]:.1f})")


def _cpu_ms(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        timeout=60,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
