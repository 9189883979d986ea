"""Capture what Fluent Bit makes of lines, with the configuration in ``examples/collectors``.

Run by hand, with a Fluent Bit of your own: ``python -m tests.examples.capture_events PATH``. It
writes ``captured/fluent_bit.json``, which ``test_collectors.py`` reads. Fluent Bit's own output
plugin ``cloudwatch_logs`` sends the events to a server on this machine.

What is not real: Docker's and containerd's part, which is written here as they write it (moby,
``daemon/logger/fluentd/fluentd.go`` and ``daemon/logger/copier.go``; Kubernetes, "Logging
Architecture", CRI format), and the Kubernetes API, for which Fluent Bit has ``Dummy_Meta``.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.examples.collector_lines import (
    ANNAS_TAG,
    CAPTURED,
    COLLECTORS,
    LINES,
    LONG_LINE,
    settings_of_fluent_bit,
)
from tests.examples.test_servers import free_port

# Docker and containerd split lines after 16 KiB.
PART = 16 * 1024
# What the ECS agent writes in front of the included file (enable-ecs-log-metadata, its default).
ECS_METADATA = """
[FILTER]
    Name   record_modifier
    Match  *
    Record ecs_cluster shop
    Record ecs_task_definition shop:1
"""
FIRST_LINES_TAGGED = [
    line if number == 0 else line.removeprefix(ANNAS_TAG) for number, line in enumerate(LINES)
]
BANNER = [*LINES[:3], "Listening on port 8000 (nobody)", *LINES[3:]]


class CloudWatchLogs(http.server.BaseHTTPRequestHandler):
    """Takes PutLogEvents, and says yes to everything else."""

    protocol_version = "HTTP/1.1"
    messages: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers["X-Amz-Target"].endswith("PutLogEvents"):
            self.messages.extend(event["message"] for event in json.loads(body)["logEvents"])
        self.send_response(200)
        self.send_header("x-amzn-RequestId", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any, **__: Any) -> None:
        """Not to stderr."""


def packed(value: object) -> bytes:
    """MessagePack, as far as Docker's driver uses it."""
    if isinstance(value, int):
        return b"\xce" + value.to_bytes(4, "big")
    if isinstance(value, str):
        return b"\xdb" + len(value.encode()).to_bytes(4, "big") + value.encode()
    if isinstance(value, list):
        return b"\xdd" + len(value).to_bytes(4, "big") + b"".join(map(packed, value))
    assert isinstance(value, dict)
    pairs = b"".join(packed(key) + packed(one) for key, one in value.items())
    return b"\xdf" + len(value).to_bytes(4, "big") + pairs


def parts_of(line: str) -> list[str]:
    return [line[start : start + PART] for start in range(0, len(line), PART)]


def docker_records(lines: list[str]) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines):
        parts = parts_of(line)
        for ordinal, part in enumerate(parts, start=1):
            record = {
                "container_id": "6d0e",
                "container_name": "/ecs-shop-1-shop",
                "source": "stdout",
                "log": part,
            }
            if len(parts) > 1:
                record["partial_message"] = "true"
                record["partial_id"] = str(number)
                record["partial_ordinal"] = str(ordinal)
                record["partial_last"] = "true" if ordinal == len(parts) else "false"
            yield record


def containerd_lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        *partial, last = parts_of(line)
        for part in partial:
            yield f"2026-11-28T12:44:59.533000000Z stdout P {part}\n"
        yield f"2026-11-28T12:44:59.533000000Z stdout F {last}\n"


def run(
    fluent_bit: str, folder: Path, configuration: str, feed: Callable[[], None] = lambda: None
) -> list[str]:
    """The messages of the events that Fluent Bit sends, once it has been fed."""
    messages: list[str] = []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    handler = type("Handler", (CloudWatchLogs,), {"messages": messages})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "fluent-bit.conf").write_text(
        configuration.rstrip("\n")
        + f"\n    endpoint 127.0.0.1\n    port {server.server_port}\n    tls.verify off\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "HOST_NAME": "node"}
    environment |= {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }
    process = subprocess.Popen([fluent_bit, "-c", "fluent-bit.conf"], cwd=folder, env=environment)
    try:
        time.sleep(2)
        feed()
        time.sleep(6)
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
    return messages


def firelens(fluent_bit: str, lines: list[str], included: str, log_key: bool = True) -> list[str]:
    """With what the ECS agent generates, around the included file."""
    task = json.loads((COLLECTORS / "firelens" / "task-definition.json").read_text())
    (application,) = (one for one in task["containerDefinitions"] if one["name"] == "shop")
    options = dict(application["logConfiguration"]["options"])
    if not log_key:
        del options["log_key"]
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        records = (COLLECTORS / "firelens" / "records.conf").read_text()
        (folder / "records.conf").write_text(records)
        tag_alone = records.replace(r"^(\{|(", r"^(").replace(r"^(?!\{|(", r"^(?!")
        tag_alone = tag_alone.replace(r" )?\d{4}-\d\d-\d\d[ T])", r" )")
        (folder / "tag-alone.conf").write_text(tag_alone)

        def feed() -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                for record in docker_records(lines):
                    event = packed(["shop-firelens-6d0e", int(time.time()), record])
                    connection.sendall(event)

        return run(
            fluent_bit,
            folder,
            f"[SERVICE]\n    Flush 1\n[INPUT]\n    Name forward\n    Port {port}\n{ECS_METADATA}"
            + included.replace("/records.conf", f"{folder}/records.conf").replace(
                "/tag-alone.conf", f"{folder}/tag-alone.conf"
            )
            + "\n[OUTPUT]\n    Match *\n"
            + "".join(f"    {key} {value}\n" for key, value in options.items()),
            feed,
        )


def eks(fluent_bit: str, lines: list[str], *changes: tuple[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        container = f"shop-1_default_shop-{'ab' * 32}.log"
        (folder / container).write_text("".join(containerd_lines(lines)))
        (folder / "parsers.conf").touch()
        configuration = (COLLECTORS / "fluent-bit" / "fluent-bit.conf").read_text()
        here = (
            ("/var/log/containers/*.log", f"{folder}/*.log\n    Read_from_Head On"),
            ("var.log.containers.", f"{name.strip('/').replace('/', '.')}."),
            ("Use_Kubelet      On", "Dummy_Meta On"),
        )
        for old, new in (*here, *changes):
            assert old in configuration
            configuration = configuration.replace(old, new)
        return run(fluent_bit, folder, configuration)


def main(fluent_bit: str) -> None:
    extra = (COLLECTORS / "firelens" / "extra.conf").read_text()
    joined = (COLLECTORS / "firelens" / "joined.conf").read_text()
    all_lines = [*LINES, LONG_LINE]
    merged = ("Merge_Log        Off", "Merge_Log On\n    Merge_Log_Key log_processed")
    dropped = ("log_processed", "log_processed\n    Keep_Log Off")
    parser = ("    multiline.parser docker, cri\n", "")
    captured = {
        "firelens": firelens(fluent_bit, all_lines, extra),
        "firelens, whole records": firelens(fluent_bit, all_lines, extra, log_key=False),
        "firelens, joined": firelens(fluent_bit, FIRST_LINES_TAGGED, joined),
        "firelens, every line tagged and joined": firelens(fluent_bit, LINES, joined),
        "firelens, not included": firelens(fluent_bit, all_lines, ""),
        "firelens, joined by the tag": firelens(
            fluent_bit, LINES, joined.replace("/records.conf", "/tag-alone.conf")
        ),
        "firelens, joined, another first line": firelens(fluent_bit, BANNER, joined),
        "eks": eks(fluent_bit, all_lines),
        "eks, merged": eks(fluent_bit, LINES, merged),
        "eks, merged without the line": eks(fluent_bit, LINES, merged, dropped),
        "eks, no parser": eks(fluent_bit, all_lines, parser),
    }
    told = subprocess.run([fluent_bit, "--version"], capture_output=True, text=True, check=True)
    version = told.stdout.splitlines()[0]
    (CAPTURED / "fluent_bit.json").write_text(
        json.dumps(
            {"captured_with": version, "settings": settings_of_fluent_bit(), "events": captured},
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1])
