"""Run Node.js functions with AWS's own runtime client.

MiniStack 1.5.33 calls the handler of a Node.js function itself. The console writes to stderr, so
each line of an error report is a log event. A handler that throws ends its process. Layers in /opt,
streamed responses, exec wrappers and Lambda's JSON log format are not supported.

AWS runs ``aws-lambda-ric`` (https://github.com/aws/aws-lambda-nodejs-runtime-interface-client),
which replaces the console's methods: they write to a separate file descriptor, and each call is
one log event (Lambda Developer Guide, "Log and monitor Node.js Lambda functions"). The variable
``AWS_LAMBDA_LOG_FORMAT`` selects JSON or text. An exec wrapper starts the runtime ("Modifying the
runtime environment"). Layers are in /opt ("Packaging your layer content").

Here the published ``aws-lambda-ric`` 3.3.0 runs in a separate process: see ``nodejs_worker.js``.
AWS uses version 3 up to Node.js 22, and version 4 for Node.js 24. Version 4 rejects handlers with a
callback and reports a failed handler one turn of the event loop later. The AWS SDK, which AWS's
runtimes include, is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

from emulator import patching
from emulator.function_processes import LINE_END, MARK

_HERE = Path(__file__).parent
_WORKER = _HERE / "nodejs_worker.js"
_RUNTIME_CLIENT = _HERE / "node_modules" / "aws-lambda-ric"
_MISSING = 'throw new Error("run npm ci --prefix emulator --ignore-scripts")'


def worker_script() -> str:
    """Return the program that MiniStack starts for a Node.js function."""
    if not _RUNTIME_CLIENT.exists():
        return _MISSING
    options = {"mark": MARK, "lineEnd": LINE_END}
    return f"require({json.dumps(str(_WORKER))}).start({json.dumps(options)});\n"


def install() -> None:
    """Replace MiniStack's script for Node.js functions, and set their log format."""
    patching.replace(lambda_runtime, "_NODEJS_WORKER_SCRIPT", worker_script())
    patching.require(lambda_runtime.Worker, ["_spawn"])
    spawn = lambda_runtime.Worker._spawn

    def spawn_with_log_format(worker: Any) -> None:
        if str(worker.config.get("Runtime", "")).startswith("nodejs"):
            worker.config = _with_log_format(worker.config)
        spawn(worker)

    patching.replace(lambda_runtime.Worker, "_spawn", spawn_with_log_format)


def _with_log_format(config: dict[str, Any]) -> dict[str, Any]:
    environment = config.get("Environment") or {}
    log_format = (config.get("LoggingConfig") or {}).get("LogFormat", "Text")
    variables = {**environment.get("Variables", {}), "AWS_LAMBDA_LOG_FORMAT": log_format}
    return {**config, "Environment": {**environment, "Variables": variables}}
