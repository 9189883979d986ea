"""Configures MiniStack, installs the extensions and serves it.

Nothing here may import MiniStack before `configure` has run, because MiniStack's modules read their
settings from the environment when they are imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

CONTROL_PREFIX = "/_emulator/"
CONTROL_PATH = f"{CONTROL_PREFIX}iam-evaluation"
EXTENSIONS = (
    "logs",
    "dynamodb",
    "permissions",
    "asynchronous_invocation",
    "reserved_concurrency",
    "log_destinations",
    "log_delivery",
    "account_policies",
    "metric_filter_tests",
    "query_definitions",
    "subscription_filters",
    "stream_event_sources",
    "event_source_mappings",
    "alarms",
    "embedded_metrics",
    "access_keys",
    "iam_groups",
    "secrets",
    "rotation_attempts",
    "secret_rotation",
    "custom_resources",
    "event_rules",
    "http_apis",
    "function_processes",
    "nodejs_functions",
    "faults",
    "iam_evaluation",
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_SECONDS_BETWEEN_LOOKS = 0.5


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback interface; port 0 selects a free port.

    It is bound before the import of MiniStack, so that no other process can take the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def configure(
    environment: MutableMapping[str, str], *, port: int, region: str, temporary: Path
) -> None:
    """Set MiniStack's settings, and remove variables that Lambda functions must not inherit.

    MiniStack passes its own environment to the functions. AWS_ENDPOINT_URL would redirect their
    calls, a profile would replace their credentials, and PYTHONPATH would add this repository to
    their module path.
    """
    for name in [name for name in environment if name.startswith(("AWS_", "PYTHONPATH"))]:
        del environment[name]
    environment.update(
        {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AUTH": "false",
            "BIND_HOST": "127.0.0.1",
            # MiniStack removes containers that it takes for leftovers, so it must not find Docker.
            "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
            "GATEWAY_PORT": str(port),
            # Hides the host's AWS configuration. Functions would inherit AWS_CONFIG_FILE, which
            # Lambda does not set.
            "HOME": str(temporary),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_AUTOCREATE_AWS_MANAGED": "1",
            "MINISTACK_REGION": region,
            "PERSIST_STATE": "0",
            "S3_DATA_DIR": str(temporary / "s3"),
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(temporary / "state"),
            "TMPDIR": str(temporary),
        }
    )
    environment.setdefault("LOG_LEVEL", "INFO")
    tempfile.tempdir = str(temporary)


def install_extensions() -> None:
    """Install every extension.

    Raises:
        emulator.patching.IncompatibleMiniStack: MiniStack lacks an attribute that an extension
            needs.
    """
    import importlib

    for name in EXTENSIONS:
        importlib.import_module(f"emulator.{name}").install()


def application(inner: Application, on_ready: Callable[[], None]) -> Application:
    """Wrap MiniStack's application with the control endpoints and fault injection."""
    from emulator import access_keys, faults

    guarded = faults.before(inner)

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await inner(scope, receive, _announcing(send, on_ready))
        elif scope["type"] == "http" and scope["path"].startswith(CONTROL_PREFIX):
            await _control(scope, receive, send)
        else:
            access_keys.record_use(scope.get("headers", []))
            await guarded(scope, receive, send)

    return serve


def _announcing(send: Send, on_ready: Callable[[], None]) -> Send:
    async def announce(message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            on_ready()

    return announce


async def _control(scope: Message, receive: Receive, send: Send) -> None:
    """Handle a request to a control path, in JSON."""
    from emulator import control, faults

    content = await faults.read(receive)
    status, answer = await asyncio.to_thread(
        control.answer, scope["method"], scope["path"], content
    )
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def serve(listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Serve until a signal arrives, then end every function process."""
    import hypercorn.asyncio
    import hypercorn.config
    from ministack import app

    from emulator import http_apis

    config = hypercorn.config.Config()
    config.insecure_bind = [f"fd://{listener.detach()}"]
    http_apis.serve_with(config)
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.loglevel = "WARNING"
    wrapped = application(app.app, on_ready)
    try:
        asyncio.run(_serve_until_signal(hypercorn.asyncio.serve, wrapped, config))
    finally:
        stop_functions()


async def _serve_until_signal(hypercorn_serve: Any, wrapped: Application, config: Any) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    await hypercorn_serve(wrapped, config, shutdown_trigger=stopped.wait)


def stop_functions() -> None:
    """End the function processes and remove their files."""
    runtime = sys.modules.get("ministack.core.lambda_runtime")
    if runtime is not None:
        runtime.reset()


def _kill_functions() -> None:
    """Kill the function processes at once, without the grace period of `stop_functions`."""
    runtime = sys.modules.get("ministack.core.lambda_runtime")
    for pool in list(runtime._workers.values()) if runtime is not None else []:
        for worker in pool:
            if worker._proc is not None:
                worker._proc.kill()


def end_with_parent(directory: Path) -> None:
    """Watch the parent in a thread. When it is gone, clean up and exit.

    The parent holds the other end of standard input and never writes. That end closes when the
    parent dies, unless a forked process inherited it. So the thread also checks the parent's
    process id.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            readable, _, _ = select.select([sys.stdin], [], [], _SECONDS_BETWEEN_LOOKS)
            if readable and not os.read(sys.stdin.fileno(), 1024):
                break
        with contextlib.suppress(Exception):
            _kill_functions()
        shutil.rmtree(directory, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Yield a temporary directory for this run."""
    with tempfile.TemporaryDirectory(prefix="emulator-") as name:
        yield Path(name)
