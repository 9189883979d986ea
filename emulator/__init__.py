"""An embedded AWS for the demo, the benchmarks and the end-to-end tests. Not shipped.

MiniStack runs in a child process on the loopback interface; small extensions add what it lacks and
correct where it differs from AWS. README.md lists them.

    with Emulator() as aws:
        aws.client("logs").create_log_group(logGroupName="demo")
"""

from __future__ import annotations

from emulator.controls import EmulatorError
from emulator.process import Emulator

__all__ = ["Emulator", "EmulatorError"]
