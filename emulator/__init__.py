"""An embedded AWS for the demo and the end-to-end tests. Not shipped.

MiniStack runs in a child process on the loopback interface; what it lacks or gets wrong is put
right by small extensions. Each module says in its first lines how MiniStack behaves, how AWS
behaves, and which page of AWS's documentation says so.

    with Emulator() as aws:
        aws.client("logs").create_log_group(logGroupName="demo")
"""

from __future__ import annotations

from emulator.process import Emulator, EmulatorError

__all__ = ["Emulator", "EmulatorError"]
