"""Starts the emulator as a child process and takes everything of it away again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3.session
import botocore.config
import botocore.session

# Settings of MiniStack and its relatives that a developer may have in the shell.
_FOREIGN_PREFIXES = ("AWS_", "DOCKER_", "LAMBDA_", "LOCALSTACK_", "MINISTACK_", "PYTHON")
_FOREIGN_NAMES = frozenset({"AUTH", "EDGE_PORT", "GATEWAY_PORT", "PERSIST_STATE", "SERVICES"})
_LINES_OF_LOG = 30
_SECONDS_TO_STOP = 10.0
_ROOT_KEY = "test"


class EmulatorError(RuntimeError):
    """The emulator did not start, or did not do what it was told."""


class Emulator:
    """An embedded AWS on a free port of the loopback interface.

    Use it as a context manager. It ends when the context does, and also when this process dies for
    whatever reason, with every process of a Lambda function and every temporary file.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        extra_environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        startup_timeout: float = 60.0,
    ) -> None:
        """Prepare an emulator; `start` or the context starts it.

        Args:
            region: The region of `client` and `environment`.
            extra_environment: Settings for the emulator's process, such as
                LAMBDA_ASYNC_RETRY_BASE_SECONDS. Lambda functions see them too.
            log_path: Where the emulator's output goes, to be kept after it stopped. By default a
                file that goes away with it.
            startup_timeout: How many seconds it may take to start.
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
        """Where the emulator answers."""
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
        """Start the emulator and wait until it answers.

        Raises:
            EmulatorError: It did not start. The message has the last lines of its log.
        """
        if self._process is not None:
            raise EmulatorError("The emulator is already running.")
        self._directory = Path(tempfile.mkdtemp(prefix="emulator-"))
        try:
            self._process = self._spawn(self._directory)
            self._port = self._wait_for_port(self._directory / "port")
        except BaseException:
            # It may not watch its parent yet, so there is nothing to wait for.
            self._end(0)
            raise

    def stop(self) -> None:
        """End the emulator and every process it started, and remove its files."""
        self._end(_SECONDS_TO_STOP)

    def _end(self, patience: float) -> None:
        process, self._process, self._port = self._process, None, None
        if process is not None:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            _wait_until_dead(process, patience)
            if process.returncode is None:
                # Not waited for yet, so the number of its process group is still its own.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return the variables that point the CDK, the AWS CLI and boto3 at this emulator."""
        return environment_for(self.endpoint_url, self._region)

    def child_environment(self) -> dict[str, str]:
        """Return this process's environment without any AWS_* of it, with `environment()` instead.

        Where a proxy is configured, the loopback interface is exempted from it.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {**without_proxy(inherited), **self.environment()}

    def host_environment(self) -> dict[str, str]:
        """Return `child_environment()` for a Python program that calls HTTP APIs.

        It reaches the HTTP APIs of this region at their real addresses, over HTTPS, and can verify
        their certificate: SSL_CERT_FILE and PYTHONPATH are extended for it.
        Where a proxy is configured, these hosts are exempted from it.
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
        access_key_id: str = _ROOT_KEY,
        secret_access_key: str = _ROOT_KEY,
        session_token: str | None = None,
    ) -> Any:
        """Return a boto3 client, by default with the account's root credentials.

        It depends on neither the host's AWS configuration files nor its AWS_PROFILE nor a proxy.

        Args:
            service: The name of the service, as boto3 has it.
            access_key_id: An access key of a user or role session.
            secret_access_key: Its secret.
            session_token: Its session token, for a role session.
        """
        # One session reads each service's model once; making clients from it is not thread-safe.
        with self._session_lock:
            if self._session is None:
                self._session = _host_free_session()
            return self._session.client(
                service,
                endpoint_url=self.endpoint_url,
                region_name=self._region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token,
                config=botocore.config.Config(proxies={}),
            )

    def evaluate_iam(self, enabled: bool) -> None:
        """Turn the verification of signatures and the evaluation of IAM policies on or off.

        Lambda functions run as their execution roles while it is on. The root credentials `test`
        stay root.
        """
        answer = self._control("POST", "iam-evaluation", {"enabled": enabled})
        if answer != {"enabled": enabled}:
            raise EmulatorError(f"Unexpected answer: {answer}")

    def delay_new_access_keys(self, seconds: float) -> None:
        """Refuse access keys that are younger than so many seconds; 0 ends it.

        They are refused like unknown ones, with UnrecognizedClientException or, by IAM, STS and
        other query services, InvalidClientTokenId, while the evaluation of IAM policies is on.
        """
        self._control("POST", "new-access-keys", {"seconds": seconds})

    def delete_expired_items(self, now: float | None = None) -> int:
        """Delete the items of DynamoDB that have expired, and return how many.

        Nothing else deletes them. AWS may take days, and answers with them until then.

        Args:
            now: The time in seconds at which they have; by default this moment.
        """
        return int(self._control("POST", "expired-items", {"now": now})["deleted"])

    def fire_rule(self, name: str) -> None:
        """Invoke the targets of an EventBridge rule now, as its schedule would.

        Functions are invoked asynchronously. Scheduled rules also fire by themselves, when they
        are due.

        Args:
            name: The rule's name, or a part of it that no other rule has, such as its logical id.

        Raises:
            EmulatorError: No such rule, more than one, or one that is disabled.
        """
        self._control("POST", "event-rules", {"fire": name})

    def inject_fault(
        self,
        service: str,
        action: str,
        *,
        times: int | None = 1,
        error: str = "InternalServiceError",
        status: int | None = None,
        after: bool = False,
        delay: float = 0.0,
        kill: bool = False,
        match: str = "",
        share: float = 1.0,
        seed: int = 0,
        unprocessed: int = 0,
        partition_keys: Sequence[str] = (),
    ) -> int:
        """Have the next calls of an action fail, and return the fault's place in `faults_met`.

        A call meets the first fault that is meant for it. Each attempt of an SDK is a call: boto3
        repeats those that fail with a status of 500 or more.

        Args:
            service: The service, as boto3 or its signature names it: "secretsmanager".
            action: The API's action, or IAM's in REST APIs: "PutSecretValue", "InvokeFunction".
            times: How many calls; `None` is all until `clear_faults`.
            error: The code of the error. With an empty one, the calls are made and answered after
                the delay.
            status: The HTTP status of the answer. By default 400 for throttles, denials and what
                is invalid or not found, else 500.
            after: Make the call, and withhold its answer: the caller sees the error.
            delay: Seconds to wait before the answer. A caller that waits for less has no answer;
                whether the call is made, `after` says.
            kill: Kill the processes of all functions at work before the answer, so that a function
                that calls dies with its call under way. Together with `after`, once it is made.
            match: Text that the request's path, query or body must have, such as a name, or
                '"4711"' for calls to DynamoDB with this key.
            share: The probability with which a call meets the fault.
            seed: The start of the generator that decides by `share`.
            unprocessed: Of a BatchWriteItem, make the call without its first so many items, and
                give these back as UnprocessedItems; `error` and what goes with it has no meaning.
            partition_keys: With `unprocessed`, choose only items with one of these partition keys.
                A batch without any does not meet the fault.
        """
        description = {
            "service": service,
            "action": action,
            "times": times,
            "error": error,
            "status": status,
            "after": after,
            "delay": delay,
            "kill": kill,
            "match": match,
            "share": share,
            "seed": seed,
            "unprocessed": unprocessed,
            "partition_keys": list(partition_keys),
        }
        return int(self._control("POST", "faults", description)["number"])

    def faults_met(self) -> list[int]:
        """Return how many calls have met each fault, in the order of their injection."""
        return list(self._control("GET", "faults")["met"])

    def clear_faults(self) -> None:
        """Forget every fault, and what was counted."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask one of the emulator's own paths and return the answer."""
        request = urllib.request.Request(
            f"{self.endpoint_url}/_emulator/{path}",
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise EmulatorError(error.read().decode()) from None

    def _spawn(self, directory: Path) -> subprocess.Popen[bytes]:
        temporary = directory / "tmp"
        temporary.mkdir()
        arguments = [
            *(sys.executable, "-m", "emulator", "--port", "0", "--region", self._region),
            *("--supervised", str(directory)),
        ]
        with self.log_path.open("wb") as log:
            # The child leads its own process group, which Lambda functions join, so that one
            # signal reaches them all. It ends when this pipe does.
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


def environment_for(endpoint_url: str, region: str) -> dict[str, str]:
    """Return the variables that point tools at an emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": _ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": _ROOT_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _host_free_session() -> Any:
    """Return a boto3 session that reads neither files nor variables about profiles."""
    nothing = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    variables = {"profile": nothing, "config_file": no_file, "credentials_file": no_file}
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=variables))


def without_proxy(
    environment: dict[str, str], hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> dict[str, str]:
    """Return the environment with these hosts exempted from the proxy, if it has one."""
    names = {name.lower() for name in environment}
    if not names & {"http_proxy", "https_proxy", "all_proxy"}:
        return environment
    exempted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    value = ",".join(filter(None, [exempted, *hosts]))
    return {**environment, "no_proxy": value, "NO_PROXY": value}


def _is_dead(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a child ended, if possible without waiting for it: its id then stays taken."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def _wait_until_dead(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is_dead(process) and time.monotonic() < deadline:
        time.sleep(0.01)
