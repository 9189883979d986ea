"""What AWS Lambda makes of a Python handler that raises.

MiniStack 1.5.33 prints the exception's traceback, makes a log event of each of its lines, and ends
the process, so that the next invocation is a cold start.

AWS: the runtime (``awslambdaric`` 4.2.2, ``bootstrap.py``, ``handle_event_request``) catches the
exception outside of the handler, has ``traceback.format_list`` format its frames, and writes one
report that becomes one log event, ``[ERROR] ValueError: text`` and the traceback. The process goes
on and takes the next event: Lambda Developer Guide, "Understanding the Lambda execution environment
lifecycle".

A process that ends by itself or is killed is reported by MiniStack as "Worker process died" of the
type Runtime.HandlerError. AWS: errorType Runtime.ExitError and "RequestId: … Error: Runtime exited
with error: signal: killed" or "exit status 1", in the answer and in the log (Lambda Developer
Guide, "Troubleshoot execution issues in Lambda").
"""

from __future__ import annotations

from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from emulator import patching

# Not among the characters at which a text is split into lines.
_LINE_END = "\x1fline end\x1f"
_BEGIN = "\ndef run():\n"
_DIED = "Worker process died"
_KILLED = "Worker process killed"
_EXITS = {_DIED: "exit status 1", _KILLED: "signal: killed"}
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
        worker.killed = False
        response: dict[str, Any] = original(worker, *args, **kwargs)
        if response.get("error") == _DIED and worker.killed:
            response["error"] = _KILLED
        return {**response, "status": "error"} if response.pop("raised", False) else response

    patching.replace(lambda_runtime.Worker, "invoke", invoke)
    patching.wrap(lambda_svc, "_execute_function_warm", _execute)
    patching.wrap(cloudwatch_logs, "_append_log_events", _append)
    patching.wrap(cloudwatch_logs, "_fanout_to_subscription_filters", _fan_out)


def mark_as_killed(worker: Any) -> None:
    """Have the end of a worker's process, which follows, reported as a kill."""
    worker.killed = True


def _execute(
    original: Any, function: dict[str, Any], event: Any, request_id: str
) -> dict[str, Any]:
    result: dict[str, Any] = original(function, event, request_id)
    body = result.get("body")
    reported = body.get("errorMessage") if isinstance(body, dict) and result.get("error") else None
    if reported not in _EXITS:
        return result
    message = f"RequestId: {request_id} Error: Runtime exited with error: {_EXITS[reported]}"
    log = result.get("log", "").replace(reported, f"{message}\nRuntime.ExitError")
    body = {"errorType": "Runtime.ExitError", "errorMessage": message}
    return {**result, "body": body, "log": log}


def _append(original: Any, stream: Any, events: list[dict[str, Any]]) -> Any:
    return original(stream, _in_lines(events))


def _fan_out(original: Any, group: str, stream: str, events: list[dict[str, Any]]) -> Any:
    return original(group, stream, _in_lines(events))


def _in_lines(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "message": event["message"].replace(_LINE_END, "\n")} for event in events]
