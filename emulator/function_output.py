"""What a function prints belongs to the invocation that printed it.

MiniStack 1.5.33 gives a function's output 50 milliseconds to arrive after its answer. What comes
later, as on a busy machine, is added to the next invocation, if there is one: log lines, and the
metrics embedded in them, appear late or never. A function that prints nothing always costs the
whole wait.

AWS: Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs": the lines of an
invocation stand between its START and END lines.

Here the process that runs a Python function marks the end of an invocation in its output, and the
emulator reads up to that mark.
"""

from __future__ import annotations

import queue
import time
from typing import Any

from ministack.core import lambda_runtime

from emulator import patching

_MARK = "\x1fend of invocation\x1f"
_LONGEST_WAIT = 5.0
_AFTER_THE_ANSWER = "        _real_stdout.flush()\n\nrun()"
_MARKED = f"""\
        sys.stdout.flush()
        sys.__stderr__.write({_MARK + chr(10)!r})
        sys.__stderr__.flush()
{_AFTER_THE_ANSWER}"""


def install() -> None:
    """Replace MiniStack's script for Python functions, and how it reads their output."""
    patching.require(lambda_runtime, ["Worker", "_PYTHON_WORKER_SCRIPT"])
    patching.require(lambda_runtime.Worker, ["_drain_stderr_bounded"])
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_AFTER_THE_ANSWER) != 1:
        raise patching.IncompatibleMiniStack(
            "MiniStack's script for Python functions is not the one this emulator extends, that of "
            f"{patching.PINNED_VERSION}; installed is {patching.installed_version()}."
        )
    marked = script.replace(_AFTER_THE_ANSWER, _MARKED)
    patching.replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", marked)
    original = lambda_runtime.Worker._drain_stderr_bounded

    def drain(worker: Any) -> str:
        if not str(worker.config.get("Runtime", "")).startswith("python"):
            text: str = original(worker)
            return text
        return _read_to_mark(worker)

    patching.replace(lambda_runtime.Worker, "_drain_stderr_bounded", drain)


def _read_to_mark(worker: Any) -> str:
    """Return the lines up to the mark, or to the end of a process that died before it."""
    lines: list[str] = []
    deadline = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < deadline:
        try:
            line = worker._stderr_queue.get(timeout=0.05)
        except queue.Empty:
            if not worker._stderr_thread.is_alive():
                break
            continue
        if line.endswith(_MARK):
            unfinished = line.removesuffix(_MARK)
            lines += [unfinished] if unfinished else []
            break
        lines.append(line)
    return "\n".join(lines)
