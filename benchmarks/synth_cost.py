"""The CPU time of ``python app.py``, compared with an empty stack of the CDK.

The benchmark alternates fresh processes of both, and measures the CPU time of Python and of the
Node.js process of jsii. Both include cdk-nag, as ``app.py`` does. There is no bound.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 3

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
    rounds = [[_cpu_seconds(program) for program in (_EMPTY, _OURS)] for _ in range(ROUNDS)]
    empty, ours = map(statistics.median, zip(*rounds, strict=True))
    ratio = statistics.median(of_ours / of_empty for of_empty, of_ours in rounds)
    print("\na synth of the default stack, CPU time (no bound)")
    print(f"  an empty stack {empty:.2f} s, python app.py {ours:.2f} s, ratio {ratio:.2f}")


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
