from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator, EmulatorError, server
from emulator.tests.support import ACCOUNT, create_function, is_alive, unique, wait_for

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).resolve().parents[2]

# Never ends, and prints the ids of its processes.
STUBBORN = """
import os, signal, subprocess, time
def handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if event == "hang":
        time.sleep(600)
    child = subprocess.Popen(["sleep", "600"])
    return [[os.getpid(), child.pid], os.getpgrp(), os.environ["TMPDIR"]]
"""


def start_stubborn_function(aws: Emulator) -> tuple[list[int], int, Path]:
    """Start a function that ignores SIGTERM.

    Returns its process, the process of a program it started, their group, and its directory.
    """
    function = create_function(aws, STUBBORN)
    functions = aws.client("lambda")
    answer = functions.invoke(FunctionName=function, Payload=json.dumps("report"))
    pids, group, temporary = json.load(answer["Payload"])
    functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps("hang"))
    return pids, group, Path(temporary)


@pytest.fixture
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for the files of emulators that this test starts."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def test_stopping_leaves_no_process_and_no_file(temporary_files: Path) -> None:
    with Emulator() as aws:
        assert list(temporary_files.iterdir()) == [aws.log_path.parent]
        pids, emulator, temporary = start_stubborn_function(aws)
        assert all(map(is_alive, [*pids, emulator]))
        assert temporary.is_relative_to(aws.log_path.parent)
    assert not is_alive(emulator)
    wait_for(lambda: not any(map(is_alive, pids)))
    assert list(temporary_files.iterdir()) == []


PARENT = """
import json, os, sys, time
from emulator import Emulator
from emulator.tests.test_process import start_stubborn_function
aws = Emulator()
aws.start()
pids, emulator, temporary = start_stubborn_function(aws)
if sys.argv[1] == "fork" and os.fork() == 0:
    os.close(1)
    time.sleep(20)  # Holds the pipe that the emulator watches.
    os._exit(0)
print(json.dumps([pids, emulator, str(temporary)]), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("inheritance", ["alone", "fork"])
def test_killing_the_parent_ends_everything(inheritance: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, inheritance],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    assert parent.stdout is not None
    try:
        pids, emulator, temporary = json.loads(parent.stdout.readline())
        assert all(map(is_alive, [*pids, emulator]))
        parent.kill()
        parent.wait()
        wait_for(lambda: not is_alive(emulator))
        wait_for(lambda: not any(map(is_alive, pids)))
        wait_for(lambda: not Path(temporary).parent.exists())
    finally:
        os.killpg(parent.pid, signal.SIGKILL) if inheritance == "fork" else parent.kill()
        parent.stdout.close()


def test_two_emulators_know_nothing_of_each_other(aws: Emulator) -> None:
    group = unique("group")
    with Emulator(region="eu-west-1") as other:
        assert other.endpoint_url != aws.endpoint_url
        other.client("logs").create_log_group(logGroupName=group)
        groups = other.client("logs").describe_log_groups()["logGroups"]
        assert [found["arn"] for found in groups] == [
            f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:{group}:*"
        ]
        assert aws.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_the_environment_points_tools_here_and_nowhere_else(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "precious")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org")
    expected = {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert aws.environment() == expected
    child = aws.child_environment()
    assert {name: child[name] for name in child if name.startswith("AWS_")} == expected
    assert child["PATH"] == os.environ["PATH"]
    assert child["NO_PROXY"] == child["no_proxy"] == "example.org,127.0.0.1,localhost"
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    answer = subprocess.check_output([sys.executable, "-c", script], env=child, text=True)
    assert answer.strip() == f"arn:aws:iam::{ACCOUNT}:root"


def test_clients_and_functions_do_not_depend_on_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    for name, value in {
        "AWS_PROFILE": "unknown",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_SESSION_TOKEN": "precious",
        "AUTH": "true",
        "GATEWAY_PORT": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "MINISTACK_ACCOUNT_ID": "111111111111",
        "PYTHONPATH": str(ROOT),
    }.items():
        monkeypatch.setenv(name, value)
    source = """
import boto3, os, sys
def handler(event, context):
    arn = boto3.client("sts").get_caller_identity()["Arn"]
    names = ("AWS_PROFILE", "AWS_CONFIG_FILE", "PYTHONPATH")
    return [arn, sys.path, [os.environ.get(name) for name in names]]
"""
    with Emulator() as aws:
        assert aws.client("sts").get_caller_identity()["Account"] == ACCOUNT
        answer = aws.client("lambda").invoke(FunctionName=create_function(aws, source))
        arn, path, settings = json.load(answer["Payload"])
    assert arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert settings == [None, None, None]
    assert str(ROOT) not in path


def test_a_failed_start_shows_the_log_and_leaves_nothing(
    tmp_path: Path, temporary_files: Path
) -> None:
    (tmp_path / "ministack.py").write_text("raise RuntimeError('broken on purpose')\n")
    emulator = Emulator(extra_environment={"PYTHONPATH": str(tmp_path)})
    with pytest.raises(EmulatorError, match="broken on purpose") as error:
        emulator.start()
    assert "ended before it was ready" in str(error.value)
    assert list(temporary_files.iterdir()) == []


def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(60)\n")
    emulator = Emulator(extra_environment={"PYTHONPATH": str(tmp_path)}, startup_timeout=0.3)
    started = time.monotonic()
    with pytest.raises(EmulatorError, match=r"not ready after 0\.3 seconds"):
        emulator.start()
    # The process does not watch its parent yet, so the test kills it.
    assert time.monotonic() - started < 15


def test_an_emulator_that_is_not_running_says_so() -> None:
    emulator = Emulator()
    emulator.stop()
    for attempt in (lambda: emulator.endpoint_url, lambda: emulator.log_path):
        with pytest.raises(EmulatorError, match="not running"):
            attempt()


def test_an_emulator_starts_once_and_again_after_a_stop(tmp_path: Path) -> None:
    log = tmp_path / "kept.log"
    emulator = Emulator(log_path=log)
    for _ in range(2):
        with emulator:
            with pytest.raises(EmulatorError, match="already running"):
                emulator.start()
            emulator.client("sts").get_caller_identity()
        assert "Ready" in log.read_text()


def test_the_settings_of_the_process_leave_nothing_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    environment = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_PROFILE": "production",
        "DOCKER_HOST": "unix:///run/docker.sock",
        "LOG_LEVEL": "DEBUG",
        "PATH": "kept",
        "PYTHONPATH": "a",
    }
    server.configure(environment, port=7, region="eu-west-1", temporary=tmp_path)
    assert not environment.keys() & {"AWS_ENDPOINT_URL", "AWS_PROFILE", "PYTHONPATH"}
    assert environment["PATH"] == "kept"
    assert environment["LOG_LEVEL"] == "DEBUG"
    assert environment["GATEWAY_PORT"] == "7"
    assert environment["MINISTACK_REGION"] == "eu-west-1"
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["DOCKER_HOST"].startswith(f"unix://{tmp_path}/")


def request(url: str, body: bytes | None = None) -> tuple[int, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, data=body) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_control_path(aws: Emulator) -> None:
    url = f"{aws.endpoint_url}/_emulator/iam-evaluation"
    assert request(url) == (200, {"enabled": False})
    assert request(url, b'{"enabled": true}') == (200, {"enabled": True})
    assert request(url) == (200, {"enabled": True})
    assert request(url, b'{"enabled": false}') == (200, {"enabled": False})
    for nonsense in (b"", b"[]", b"{}", b'{"enabled": "yes"}', b"\xff"):
        assert request(url, nonsense) == (400, {"enabled": False})


def test_it_listens_on_the_loopback_interface_only(aws: Emulator) -> None:
    port = int(aws.endpoint_url.rpartition(":")[2])
    with socket.socket() as probe:
        # Linux answers for all of 127.0.0.0/8; a server on every interface would too.
        assert probe.connect_ex(("127.0.0.2", port)) != 0


@pytest.fixture
def terminal() -> Iterator[subprocess.Popen[str]]:
    """The emulator as in a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "emulator", "--port", "0", "--region", "eu-west-1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_a_terminal(
    aws: Emulator, terminal: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert terminal.stdout is not None
    text = terminal.stdout.readline()
    while "Ctrl-C" not in text:
        text += terminal.stdout.readline()
    exports = dict(re.findall(r"export (\w+)=(\S+)", text))
    assert exports == {
        **aws.environment(),
        "AWS_ENDPOINT_URL": exports["AWS_ENDPOINT_URL"],
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    assert "cdk deploy" in text
    assert "boto3" in text
    status, _ = request(f"{exports['AWS_ENDPOINT_URL']}/_emulator/iam-evaluation")
    assert status == 200
    terminal.send_signal(number)
    assert terminal.wait(timeout=10) == 0


def test_a_port_in_use_is_said_plainly(aws: Emulator) -> None:
    port = aws.endpoint_url.rpartition(":")[2]
    process = subprocess.run(
        [sys.executable, "-m", "emulator", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert process.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in process.stderr
