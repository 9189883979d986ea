"""The examples, served for real to two visitors at once and to somebody without a token."""

from __future__ import annotations

import concurrent.futures
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.interpreters import environment
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines, headers_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUNICORN = ["gunicorn", "--threads", "4", "--log-level", "warning", "--bind"]
SERVERS = {
    "flask, its own server": ["examples/flask_app.py"],
    "flask, gunicorn": ["-m", *GUNICORN, "127.0.0.1:{port}", "examples.flask_app:app"],
    "django, wsgiref": ["examples/django_app.py"],
    "django, gunicorn": ["-m", *GUNICORN, "127.0.0.1:{port}", "examples.django_app:application"],
    "django, uvicorn": ["-m", "uvicorn", "--log-level", "warning", "--port", "{port}"]
    + ["examples.django_app:asgi_application"],
    "fastapi, uvicorn": ["examples/fastapi_app.py"],
}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@contextmanager
def serving(command: list[str], stderr: Path) -> Iterator[int]:
    port = free_port()
    # Without a full environment: as a container starts it.
    child = {**environment(), "PYTHONPATH": str(ROOT), "PORT": str(port)}
    with stderr.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in command)],
            cwd=ROOT,
            env=child,
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def order(port: int, session: Session | None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = headers_of(session) if session else {}
    connection.request("POST", "/orders", b"", headers)
    return connection.getresponse().status


@pytest.mark.parametrize("name", SERVERS)
def test_each_error_is_its_visitors(name: str, tmp_path: Path) -> None:
    stderr = tmp_path / "stderr"
    visitors = [ANNA, BERT, None] * 4
    pool = concurrent.futures.ThreadPoolExecutor(len(visitors))
    with serving(SERVERS[name], stderr) as port, pool:
        answers = list(pool.map(lambda session: order(port, session), visitors))
    assert answers == [500] * len(visitors)
    by_visitor: dict[Session | None, str] = {ANNA: "", BERT: "", None: ""}
    for line in stderr.read_text().splitlines(keepends=True):
        tagged = [session for session in (ANNA, BERT) if line.startswith(session.tag)]
        by_visitor[tagged[0] if tagged else None] += line
    for session, text in by_visitor.items():
        lines = check_lines(text, session)
        assert sum("Traceback" in line for line in lines) >= 4, text
        errors = sum(line.startswith("ValueError: no stock left") for line in lines)
        assert errors == sum(line.startswith("Traceback") for line in lines)


def test_a_page_of_another_origin_may_send_the_header(tmp_path: Path) -> None:
    with serving(SERVERS["fastapi, uvicorn"], tmp_path / "stderr") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        preflight = {
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-openreplay-sessiontoken",
        }
        connection.request("OPTIONS", "/orders", headers=preflight)
        answer = connection.getresponse()
        assert answer.status == 200
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert "x-openreplay-sessiontoken" in allowed
