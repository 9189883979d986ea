"""Starts the emulator as a child process, and removes all its processes and files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import botocore.config

from emulator.controls import Controls, EmulatorError
from emulator.environment import ROOT_KEY, environment_for, host_free_session, without_proxy

# Settings of MiniStack and similar tools that a developer's shell may have.
_FOREIGN_PREFIXES = ("AWS_", "DOCKER_", "LAMBDA_", "LOCALSTACK_", "MINISTACK_", "PYTHON")
_FOREIGN_NAMES = frozenset({"AUTH", "EDGE_PORT", "GATEWAY_PORT", "PERSIST_STATE", "SERVICES"})
_LINES_OF_LOG = 30
_SECONDS_TO_STOP = 10.0


class Emulator(Controls):
    """An embedded AWS on a free port of the loopback interface.

    Use it as a context manager. It ends with the context, and also when this process dies for any
    reason. All function processes and temporary files are removed.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        extra_environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        startup_timeout: float = 60.0,
    ) -> None:
        """Configure an emulator; `start` or the context starts it.

        Args:
            region: The region of `client` and `environment`.
            extra_environment: Environment variables for the emulator's process, such as
                LAMBDA_ASYNC_RETRY_BASE_SECONDS. Lambda functions inherit them.
            log_path: A file for the emulator's output, which is kept. By default the output goes to
                a temporary file.
            startup_timeout: The maximum time to start, in seconds.
        """
        self._region = region
        self._extra_environment = dict(extra_environment or {})
        self._kept_log_path = log_path
        self._startup_timeout = startup_timeout
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self._session: Any = None
        self._session_lock = threading.Lock()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def region(self) -> str:
        """The region of `client` and `environment`."""
        return self._region

    @property
    def endpoint_url(self) -> str:
        """The URL of the emulator."""
        if self._port is None:
            raise EmulatorError("The emulator is not running.")
        return f"http://127.0.0.1:{self._port}"

    @property
    def log_path(self) -> Path:
        """The file with the emulator's own output."""
        if self._kept_log_path is not None:
            return self._kept_log_path
        if self._directory is None:
            raise EmulatorError("The emulator is not running.")
        return self._directory / "emulator.log"

    def start(self) -> None:
        """Start the emulator and wait until it is ready.

        Raises:
            EmulatorError: It did not start. The message contains the last lines of its log.
        """
        if self._process is not None:
            raise EmulatorError("The emulator is already running.")
        self._directory = Path(tempfile.mkdtemp(prefix="emulator-"))
        try:
            self._process = self._spawn(self._directory)
            self._port = self._wait_for_port(self._directory / "port")
        except BaseException:
            # The child may not watch its parent yet, so waiting is pointless.
            self._end(0)
            raise

    def stop(self) -> None:
        """Stop the emulator and every process it started, and remove its files."""
        self._end(_SECONDS_TO_STOP)

    def _end(self, patience: float) -> None:
        process, self._process, self._port = self._process, None, None
        if process is not None:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            _wait_until_dead(process, patience)
            if process.returncode is None:
                # Nobody has waited for the child yet, so the id of its process group cannot be
                # reused.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return the variables that direct the CDK, the AWS CLI and boto3 to this emulator."""
        return environment_for(self.endpoint_url, self._region)

    def child_environment(self) -> dict[str, str]:
        """Return this process's environment with `environment()` instead of its AWS_* variables.

        If a proxy is configured, the loopback interface is exempt from it.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {**without_proxy(inherited), **self.environment()}

    def host_environment(self) -> dict[str, str]:
        """Return `child_environment()` extended for a Python program that calls HTTP APIs.

        With its SSL_CERT_FILE and PYTHONPATH, the program reaches the HTTP APIs of this region at
        their AWS addresses, over HTTPS, and trusts their certificate. If a proxy is configured,
        these hosts are exempt from it.
        """
        hosts = self._control("GET", "http-apis")
        child = self.child_environment()
        directories = [hosts["hook_directory"], child.get("PYTHONPATH")]
        return {
            **without_proxy(child, [f".{hosts['domain']}"]),
            "SSL_CERT_FILE": hosts["trusted_file"],
            "PYTHONPATH": os.pathsep.join(filter(None, directories)),
        }

    def client(
        self,
        service: str,
        *,
        access_key_id: str = ROOT_KEY,
        secret_access_key: str = ROOT_KEY,
        session_token: str | None = None,
    ) -> Any:
        """Return a boto3 client, by default with the credentials of the root user.

        The client ignores AWS configuration files, AWS_PROFILE and proxies.

        Args:
            service: The service's name in boto3.
            access_key_id: The access key id of a user or a role session.
            secret_access_key: The secret access key.
            session_token: The session token of a role session.
        """
        # A session loads each service's model once. Creating clients is not thread-safe.
        with self._session_lock:
            if self._session is None:
                self._session = host_free_session()
            return self._session.client(
                service,
                endpoint_url=self.endpoint_url,
                region_name=self._region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token,
                config=botocore.config.Config(proxies={}),
            )

    def _spawn(self, directory: Path) -> subprocess.Popen[bytes]:
        temporary = directory / "tmp"
        temporary.mkdir()
        arguments = [
            *(sys.executable, "-m", "emulator", "--port", "0", "--region", self._region),
            *("--supervised", str(directory)),
        ]
        with self.log_path.open("wb") as log:
            # The child leads its own process group, which Lambda functions join, so one signal
            # reaches all of them. The child exits when this pipe closes.
            return subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).resolve().parent.parent,
                env=self._process_environment(temporary),
                start_new_session=True,
            )

    def _process_environment(self, temporary: Path) -> dict[str, str]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(_FOREIGN_PREFIXES) and key not in _FOREIGN_NAMES
        }
        own = {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
        return {**without_proxy(inherited), **own, **self._extra_environment}

    def _wait_for_port(self, port_file: Path) -> int:
        assert self._process is not None
        deadline = time.monotonic() + self._startup_timeout
        while time.monotonic() < deadline:
            if port_file.exists():
                return int(port_file.read_text())
            if _is_dead(self._process):
                raise EmulatorError(self._failure("The emulator ended before it was ready."))
            time.sleep(0.02)
        raise EmulatorError(
            self._failure(f"The emulator was not ready after {self._startup_timeout:g} seconds.")
        )

    def _failure(self, summary: str) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:]
        return "\n".join([summary, "The end of its log:", *lines])


def _is_dead(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a child has ended, if possible without reaping it: its id stays taken."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def _wait_until_dead(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is_dead(process) and time.monotonic() < deadline:
        time.sleep(0.01)
