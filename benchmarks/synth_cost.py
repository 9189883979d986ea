"""What ``python app.py`` costs beyond what the CDK takes for an empty stack.

Fresh processes in turns, the processor time of Python and of the Node.js that jsii starts. cdk-nag
is a part of both: it is a part of ``app.py``.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
BOUND = 1.3

_EMPTY = """
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks
app = cdk.App()
cdk.Stack(app, "Empty")
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(verbose=True))
app.synth()
"""
_OURS = "import app; app.main()"


def run() -> None:
    """Print the seconds of both, and their ratio."""
    rounds = [(_cpu_seconds(_EMPTY), _cpu_seconds(_OURS)) for _ in range(ROUNDS)]
    ratios = sorted(ours / empty for empty, ours in rounds)
    ratio = statistics.median(ratios)
    print("\na synth of the default stack, CPU time")
    print(f"  an empty stack {statistics.median(empty for empty, _ in rounds):6.2f} s")
    print(f"  python app.py  {statistics.median(ours for _, ours in rounds):6.2f} s")
    print(
        f"  ratio {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})   bound {BOUND}   "
        f"{'held' if ratio <= BOUND else 'MISSED'}"
    )


def _cpu_seconds(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "CDK_OUTDIR": out, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=300,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
