"""Run a Node.js function with AWS's runtime client, without the emulator's Lambda service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.function_processes import LINE_END, MARK
from emulator.nodejs_functions import worker_script
from openreplay_cw_stack.infra.internal.tagging_runtimes import stage_nodejs_layer
from openreplay_cw_stack.tagging.propagation.redirection import (
    NODEJS_REDIRECTED_HANDLER,
    ORIGINAL_HANDLER_VARIABLE,
)


class NotStarted(Exception):
    """The function's code could not be loaded."""


@dataclass
class Invocation:
    """The outcome of an invocation.

    Attributes:
        answer: the worker's response: ``status``, and ``result`` or ``error``.
        events: the log events that CloudWatch Logs would store.
    """

    answer: dict[str, Any]
    events: list[str]


class NodejsFunction:
    """A running function, tagged by the layer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def invoke(self, event: dict[str, Any]) -> Invocation:
        """Invoke the function. If its process ends, the answer is an error."""
        answer = self.send({"event": event, "ctx": {"request_id": "r"}})
        return Invocation(answer, self.read_events())

    def send(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def read_events(self) -> list[str]:
        assert self._process.stderr is not None
        lines = iter(self._process.stderr.readline, "")
        events = []
        for line in lines:
            if line == f"{MARK}\n":
                break
            events.append(line.removesuffix("\n").replace(LINE_END, "\n"))
        return events


@contextmanager
def running(
    folder: Path,
    code: Path,
    handler: str,
    *,
    environment: dict[str, str] | None = None,
    is_tagged: bool = True,
    packages: Path | None = None,
) -> Iterator[NodejsFunction]:
    """Run a function until the block ends.

    Args:
        folder: an empty folder for the layer, a copy of the code and the worker.
        code: the folder with the function's code.
        handler: the function's original handler.
        environment: its environment variables.
        is_tagged: whether to use the layer's handler, which wraps the original.
        packages: a ``node_modules`` folder to link into the code.
    """
    layer = folder / "layer"
    stage_nodejs_layer(layer)
    shutil.copytree(code, folder / "code")
    if packages is not None:
        (folder / "code" / "node_modules").symlink_to(packages)
    worker = folder / "worker.js"
    worker.write_text(worker_script())
    variables = dict(environment or {})
    if is_tagged:
        variables[ORIGINAL_HANDLER_VARIABLE] = handler
        handler = NODEJS_REDIRECTED_HANDLER
    module, _, name = handler.rpartition(".")
    with subprocess.Popen(
        ["node", str(worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"], "_LAMBDA_LAYERS_DIRS": str(layer)},
    ) as process:
        function = NodejsFunction(process)
        start = {
            "code_dir": str(folder / "code"),
            "module": module,
            "handler": name,
            "env": variables,
        }
        try:
            answer = function.send(start)
            if answer["status"] != "ready":
                raise NotStarted(answer["error"])
            yield function
        finally:
            process.kill()
