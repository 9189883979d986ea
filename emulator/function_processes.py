"""Function processes: which invocation an output belongs to, and the effect of exceptions.

MiniStack 1.5.33 waits 50 milliseconds for a function's output after its response. Later log lines
and embedded metrics belong to the next invocation, or are lost. A handler that raises ends its
process, so the next invocation is a cold start, and each line of the traceback is a log event.

AWS writes the lines of an invocation between its START and END lines (Lambda Developer Guide,
"Sending Lambda function logs to CloudWatch Logs"). A process whose handler raised handles the next
event ("Understanding the Lambda execution environment lifecycle"). An error report is one log
event: ``[ERROR] ValueError: text`` and the traceback without the frames of the runtime, as
``traceback.format_list`` formats it (``awslambdaric`` 4.2.2, ``handle_event_request``).

Here the process marks the end of an invocation in its output, and the emulator reads up to that
mark. The messages of timeouts and kills are MiniStack's, not AWS's.
"""

from __future__ import annotations

import queue
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs

from emulator import patching

MARK = "\x1fend of invocation\x1f"
"""Marks the end of an invocation in the output of a function's process."""
_MAX_WAIT = 5.0
_AFTER_THE_ANSWER = "        _real_stdout.flush()\n\nrun()"
_MARKED = f"""\
        sys.stdout.flush()
        sys.__stderr__.write({MARK + chr(10)!r})
        sys.__stderr__.flush()
{_AFTER_THE_ANSWER}"""
_RAISED = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
# MiniStack ends a process that reports "error".
_REPORTED = '{"status": "ok", "raised": True, "error": str(e), "trace": _ms_report(e)}'
_BEGIN = "\ndef run():\n"
# Not a character at which str.splitlines splits.
LINE_END = "\x1fline end\x1f"
"""Marks a line break inside a log event in the output of a function's process."""
_REPORT = f"""
def _ms_report(error):
    frames = traceback.extract_tb(error.__traceback__)[1:]
    lines = ["[ERROR] " + type(error).__name__ + ": " + str(error)]
    lines.append("Traceback (most recent call last):")
    for frame in traceback.format_list(frames):
        lines += frame.splitlines()
    return {LINE_END!r}.join(line for text in lines for line in text.splitlines())
"""


def install() -> None:
    """Replace MiniStack's script for Python functions, and its reader of their output."""
    patching.require(lambda_runtime, ["Worker", "_PYTHON_WORKER_SCRIPT"])
    patching.require(lambda_runtime.Worker, ["_drain_stderr_bounded", "invoke"])
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if any(script.count(one) != 1 for one in (_AFTER_THE_ANSWER, _RAISED, _BEGIN)):
        raise patching.IncompatibleMiniStack(
            "MiniStack's script for Python functions is not the one this emulator extends, that of "
            f"{patching.PINNED_VERSION}; installed is {patching.installed_version()}."
        )
    script = script.replace(_AFTER_THE_ANSWER, _MARKED).replace(_RAISED, _REPORTED)
    script = script.replace(_BEGIN, _REPORT + _BEGIN)
    patching.replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)
    invoke, drain = lambda_runtime.Worker.invoke, lambda_runtime.Worker._drain_stderr_bounded

    def invoke_reporting(worker: Any, *arguments: Any, **settings: Any) -> dict[str, Any]:
        response: dict[str, Any] = invoke(worker, *arguments, **settings)
        return {**response, "status": "error"} if response.pop("raised", False) else response

    def drain_to_mark(worker: Any) -> str:
        is_marked = str(worker.config.get("Runtime", "")).startswith(("python", "nodejs"))
        return _read_to_mark(worker) if is_marked else str(drain(worker))

    patching.replace(lambda_runtime.Worker, "invoke", invoke_reporting)
    patching.replace(lambda_runtime.Worker, "_drain_stderr_bounded", drain_to_mark)
    patching.wrap(cloudwatch_logs, "_append_log_events", _append)
    patching.wrap(cloudwatch_logs, "_fanout_to_subscription_filters", _fan_out)


def _read_to_mark(worker: Any) -> str:
    """Return the lines up to the mark, or up to the end of the process."""
    lines: list[str] = []
    deadline = time.monotonic() + _MAX_WAIT
    while time.monotonic() < deadline:
        try:
            line = worker._stderr_queue.get(timeout=0.05)
        except queue.Empty:
            if not worker._stderr_thread.is_alive():
                break
            continue
        if line.endswith(MARK):
            unfinished = line.removesuffix(MARK)
            lines += [unfinished] if unfinished else []
            break
        lines.append(line)
    return "\n".join(lines)


def _append(original: Any, stream: Any, events: list[dict[str, Any]]) -> Any:
    return original(stream, _with_line_ends(events))


def _fan_out(original: Any, group: str, stream: str, events: list[dict[str, Any]]) -> Any:
    return original(group, stream, _with_line_ends(events))


def _with_line_ends(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "message": event["message"].replace(LINE_END, "\n")} for event in events]
