"""What ``python app.py`` costs beyond what the CDK takes for an empty stack.

Fresh processes in turns, the processor time of Python and of the Node.js that jsii starts. cdk-nag
is a part of both: it is a part of ``app.py``. The empty stack is synthesised as the CDK does it,
and a second time with the options that ``app.py`` gives to Node.js, to tell their part from ours.
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
_EMPTY_WITH_OPTIONS = f'import os; os.environ["NODE_OPTIONS"] = "--v8-pool-size=1"\n{_EMPTY}'
_OURS = "import app; app.main()"


def run() -> None:
    """Print the seconds of both, and their ratio."""
    programs = (_EMPTY, _EMPTY_WITH_OPTIONS, _OURS)
    rounds = [[_cpu_seconds(program) for program in programs] for _ in range(ROUNDS)]
    empty, with_options, ours = map(statistics.median, zip(*rounds, strict=True))
    ratios = sorted(of_ours / of_empty for of_empty, _, of_ours in rounds)
    ratio = statistics.median(ratios)
    print("\na synth of the default stack, CPU time")
    print(f"  an empty stack {empty:6.2f} s   with the options of app.py {with_options:.2f} s")
    print(f"  python app.py  {ours:6.2f} s")
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
