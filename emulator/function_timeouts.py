"""Functions that run into their timeout.

MiniStack 1.5.33 kills them, and takes what they have printed so far at once, so that the last lines
may be lost. Its message lacks the request id, in the answer and in the log.

AWS: Lambda Developer Guide, "Troubleshoot invocation issues in Lambda" and "Configure Lambda
function timeout": the invocation ends with the error type `Sandbox.Timedout` and the message
"RequestId: <id> Error: Task timed out after 3.00 seconds"; the log has a line of the time, the
request id and "Task timed out after 3.00 seconds". It is an error like others: asynchronous
invocations are retried. Time spent importing the function's module does not count here.
"""

from __future__ import annotations

import queue
import re
from datetime import datetime, timezone
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from emulator import patching

_TIMED_OUT = re.compile(r"Task timed out after \d+\.\d\d seconds")
_LONGEST_WAIT = 2.0


def install() -> None:
    """Replace what MiniStack says of a timeout."""
    patching.require(lambda_runtime, ["Worker"])
    patching.require(lambda_runtime.Worker, ["invoke"])
    original = lambda_runtime.Worker.invoke

    def invoke(worker: Any, event: Any, request_id: str, **settings: Any) -> dict[str, Any]:
        response: dict[str, Any] = original(worker, event, request_id, **settings)
        if not _TIMED_OUT.fullmatch(str(response.get("error"))):
            return response
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        printed = [response.get("log") or "", *_rest_of_output(worker)]
        return {
            **response,
            "log": "\n".join(filter(None, printed)),
            "trace": f"{now}Z {request_id} {response['error']}",
        }

    patching.replace(lambda_runtime.Worker, "invoke", invoke)
    patching.wrap(lambda_svc, "_execute_function_warm", _execute)


def _rest_of_output(worker: Any) -> list[str]:
    """Return what the process had printed and nobody has read, once it is dead."""
    worker._stderr_thread.join(_LONGEST_WAIT)
    lines = []
    while True:
        try:
            lines.append(worker._stderr_queue.get_nowait())
        except queue.Empty:
            return lines


def _execute(original: Any, function: Any, event: Any, request_id: str) -> dict[str, Any]:
    result: dict[str, Any] = original(function, event, request_id)
    body = result.get("body")
    if isinstance(body, dict) and body.get("errorType") == "Sandbox.Timedout":
        message = f"RequestId: {request_id} Error: {body['errorMessage']}"
        return {**result, "body": {"errorType": body["errorType"], "errorMessage": message}}
    return result
