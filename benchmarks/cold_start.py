"""What a cold start costs: fresh processes, their CPU time above that of an empty one.

*The handler's module* is imported; *ready* means that a first payload has gone all the way to a
finished and signed request. Nothing is sent. Our bytecode is not kept, as in Lambda, where nobody
can write to a function's folder. Peers, in turns in the same run: a boto3 client for the same call;
AWS Lambda Powertools' data class and metrics, imported; and the forwarders of Datadog and Elastic,
ready as above, where the environment names their checkouts (benchmarks/forwarders.py), above an
empty process of their own Python. Their packages' bytecode is there, their own is not.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import forwarders
from benchmarks.subscription_payloads import subscription_event

ROUNDS = 15
IMPORTED_BOUND_MS = 25
READY_BOUND_MS = 120

_IMPORTED = "import openreplay_cw_stack.runtime.validator.handler"
_READY = """
import json, sys
from openreplay_cw_stack.runtime.validator import handler, logs_client
class Answer:
    status_code, content = 200, b"{}"
class Session:
    def send(self, request):
        Session.sent = request
        return Answer()
def session(url, environment):
    original(url, environment)
    return Session()
original, logs_client._http_session = logs_client._http_session, session
handler.handler(json.load(open(sys.argv[1])), None)
assert Session.sent.headers["Authorization"]
"""
_BOTO3 = """
import boto3
client = boto3.client("logs")
"""
_POWERTOOLS = """
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.utilities.data_classes import CloudWatchLogsEvent
metrics = Metrics(namespace="Benchmark", service="validator")
"""
_ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "token",
    "DEPLOYMENT": "Benchmark",
    "LINKED_LOG_GROUP": "/openreplay/linked",
    "OWN_LOG_GROUP": "/openreplay/validator",
    "READERS": "search",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_PROGRAMS = {
    "nothing": "pass",
    "the standard library of it": "import base64, collections, enum, functools, json, re, zlib",
    "the handler's module": _IMPORTED,
    "ready to forward": _READY,
    "a boto3 client": _BOTO3,
    "Powertools' metrics, data class": _POWERTOOLS,
}
_BOUNDS = {"the handler's module": IMPORTED_BOUND_MS, "ready to forward": READY_BOUND_MS}


def run() -> None:
    """Print the milliseconds of each program, and what it takes to be within bounds."""
    with tempfile.TemporaryDirectory() as folder:
        payload = Path(folder, "payload.json")
        payload.write_text(json.dumps(subscription_event(50, 1.0)))
        programs = _commands(payload)
        rounds = [_above_empty_ms(programs) for _ in range(ROUNDS)]
    print("\na cold start: CPU ms above an empty process")
    for name in programs:
        above = sorted(one[name] for one in rounds)
        ms = statistics.median(above)
        bound = _BOUNDS.get(name)
        verdict = (
            "" if bound is None else f"   bound {bound}   {'held' if ms <= bound else 'MISSED'}"
        )
        print(f"  {name:32} {ms:7.1f} ({above[0]:.1f} to {above[-1]:.1f}){verdict}")


def _commands(payload: Path) -> dict[str, list[str]]:
    ours = {name: [sys.executable, "-c", text, str(payload)] for name, text in _PROGRAMS.items()}
    theirs = {
        f"{checkout.peer}'s forwarder, ready": checkout.command(str(payload))
        for checkout in forwarders.checkouts()
    }
    return {**ours, **theirs}


def _above_empty_ms(programs: dict[str, list[str]]) -> dict[str, float]:
    empty = {python: _cpu_ms([python, "-c", "pass"]) for python, *_ in programs.values()}
    return {name: _cpu_ms(command) - empty[command[0]] for name, command in programs.items()}


def _cpu_ms(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        cwd=forwarders.ROOT,
        env={**os.environ, **_ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"{command[:4]} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
