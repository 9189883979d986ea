"""Node.js functions run with AWS's own runtime client.

MiniStack 1.5.33 calls a Node.js function itself: the console writes to stderr, each line of a
report is an event, a handler that throws ends its process, and there are neither layers in /opt,
streamed responses, exec wrappers nor Lambda's JSON log format.

AWS runs ``aws-lambda-ric`` (https://github.com/aws/aws-lambda-nodejs-runtime-interface-client),
which replaces the console's methods: their text goes to a descriptor of its own, and one call is
one log event (Lambda Developer Guide, "Log and monitor Node.js Lambda functions"). The variable
``AWS_LAMBDA_LOG_FORMAT`` says whether they write JSON. An exec wrapper starts the runtime
("Modifying the runtime environment"). Layers are in /opt ("Packaging your layer content").

Here the published ``aws-lambda-ric`` 3.3.0 runs in a process of its own: see ``nodejs_worker.js``.
It is what AWS runs up to Node.js 22; for Node.js 24 it is version 4, which differs in what it
refuses: handlers with a callback. The AWS SDK, which AWS's runtimes contain, is missing.
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
