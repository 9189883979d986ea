"""What AWS Lambda makes of a Python handler that raises.

MiniStack 1.5.33 prints the exception's traceback, makes a log event of each of its lines, and ends
the process, so that the next invocation is a cold start.

AWS: the runtime (``awslambdaric`` 4.2.2, ``bootstrap.py``, ``handle_event_request``) catches the
exception outside of the handler, has ``traceback.format_list`` format its frames, and writes one
report that becomes one log event, ``[ERROR] ValueError: text`` and the traceback. The process goes
on and takes the next event: Lambda Developer Guide, "Understanding the Lambda execution environment
lifecycle".
"""

from __future__ import annotations

from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs

from emulator import patching

# Not among the characters at which a text is split into lines.
_LINE_END = "\x1fline end\x1f"
_BEGIN = "\ndef run():\n"
_RAISED = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
# MiniStack ends a process that says "error".
_REPORTED = '{"status": "ok", "raised": True, "error": str(e), "trace": _ms_report(e)}'
_REPORT = f"""
def _ms_report(error):
    frames = traceback.extract_tb(error.__traceback__)[1:]
    lines = ["[ERROR] " + type(error).__name__ + ": " + str(error)]
    lines.append("Traceback (most recent call last):")
    for frame in traceback.format_list(frames):
        lines += frame.splitlines()
    return {_LINE_END!r}.join(line for text in lines for line in text.splitlines())
"""


def install() -> None:
    """Replace how MiniStack's script for Python functions reports an exception."""
    patching.require(lambda_runtime, ["_PYTHON_WORKER_SCRIPT"])
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_RAISED) != 1 or script.count(_BEGIN) != 1:
        raise patching.IncompatibleMiniStack(
            "MiniStack's script for Python functions is not the one this emulator extends, that of "
            f"{patching.PINNED_VERSION}; installed is {patching.installed_version()}."
        )
    script = script.replace(_RAISED, _REPORTED).replace(_BEGIN, _REPORT + _BEGIN)
    patching.replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)
    patching.require(lambda_runtime.Worker, ["invoke"])
    original = lambda_runtime.Worker.invoke

    def invoke(worker: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response: dict[str, Any] = original(worker, *args, **kwargs)
        return {**response, "status": "error"} if response.pop("raised", False) else response

    patching.replace(lambda_runtime.Worker, "invoke", invoke)
    patching.wrap(cloudwatch_logs, "_append_log_events", _append)
    patching.wrap(cloudwatch_logs, "_fanout_to_subscription_filters", _fan_out)


def _append(original: Any, stream: Any, events: list[dict[str, Any]]) -> Any:
    return original(stream, _in_lines(events))


def _fan_out(original: Any, group: str, stream: str, events: list[dict[str, Any]]) -> Any:
    return original(group, stream, _in_lines(events))


def _in_lines(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "message": event["message"].replace(_LINE_END, "\n")} for event in events]
