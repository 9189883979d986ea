"""The log forwarders of Datadog and Elastic for comparison, if checkouts of them are available.

They are optional, and not part of this repository. To include them, clone the public repositories,
install their requirements in one virtual environment each, and set these environment variables:

* ``DATADOG_FORWARDER``, a clone of DataDog/datadog-serverless-functions on GitHub, and
  ``DATADOG_FORWARDER_PYTHON``, a Python with boto3 and its aws/logs_monitoring/requirements.txt.
  Measured at commit b9af797e0266b2be4011a94147419089833605c5 (forwarder 5.4.11).
* ``ELASTIC_FORWARDER``, a clone of elastic/elastic-serverless-forwarder on GitHub, and
  ``ELASTIC_FORWARDER_PYTHON``, a Python with its requirements.txt.
  Measured at commit b94fa97c7ca00b6167be6e43580b13cbc0acf9ef (1.21.3).

Their packages conflict with each other and with this project's, so each forwarder runs in a
separate process, which also measures the floor: the ratio compares times of the same Python on the
same payload. They forward every line, tagged or not, in its original order. See
benchmarks/forwarder_process.py for their settings.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

CITED = {"Datadog": "8 to 9", "Elastic": "10 to 14"}
"""Earlier measurements, as ratios to the floor. They are printed if a checkout is missing."""

_ROOT = Path(__file__).parents[1]

_ANSWER_SECONDS = 120


@dataclass(frozen=True)
class Checkout:
    """A checkout of a peer, from the environment variables.

    Attributes:
        peer: the peer's name.
        folder: the folder of the clone.
        python: the interpreter that has its packages.
    """

    peer: str
    folder: Path
    python: str

    def command(self) -> list[str]:
        """Return the command that starts its process. It must run in `_ROOT`."""
        return [
            self.python,
            "-m",
            "benchmarks.forwarder_process",
            self.peer.lower(),
            str(self.folder),
        ]


def checkouts() -> list[Checkout]:
    """Return the checkouts that the environment names."""
    return [
        Checkout(peer, Path(folder).resolve(), _python(peer))
        for peer in CITED
        if (folder := os.environ.get(f"{peer.upper()}_FORWARDER"))
    ]


def left_out() -> str:
    """Return a line about the peers without a checkout, or an empty text."""
    named = {checkout.peer for checkout in checkouts()}
    missing = [peer for peer in CITED if peer not in named]
    if not missing:
        return ""
    variables = " and ".join(f"{peer.upper()}_FORWARDER" for peer in missing)
    cited = ", ".join(f"{peer} {CITED[peer]}" for peer in missing)
    return (
        f"  not measured without {variables} (see benchmarks/forwarders.py); cited at 100 %"
        f" tagged: {cited}"
    )


@contextmanager
def running(checkout: Checkout) -> Iterator[Forwarder]:
    """Start the peer's process, and end it afterwards."""
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            checkout.command(),
            cwd=_ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield Forwarder(checkout.peer, process, log)
        finally:
            process.kill()


class Forwarder:
    """A peer's process, measured alternately with this project's code."""

    def __init__(self, peer: str, process: subprocess.Popen[str], log: IO[str]) -> None:
        """Communicate with a process.

        Args:
            peer: the peer's name.
            process: the process, with pipes for its input and output.
            log: the process's standard error.
        """
        self.peer = peer
        self._process = process
        self._log = log

    def take(self, event: dict[str, Any], lines: int) -> None:
        """Forward a payload once. Later measurements use this payload.

        Raises:
            RuntimeError: the finished requests do not contain a record for each of its lines.
        """
        records = self._ask(event)
        if records != lines:
            raise RuntimeError(f"{self.peer}: {records} records were made of {lines} lines")

    def ratio(self) -> float:
        """Return the ratio of the handler's CPU time to the floor's on that payload."""
        seconds = self._ask(None)
        return float(seconds["forwarder"] / seconds["floor"])

    def _ask(self, question: object) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        print(json.dumps(question), file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._process.stdout], [], [], _ANSWER_SECONDS)
        answer = self._process.stdout.readline() if ready else ""
        if not answer:
            raise RuntimeError(self._failure())
        return json.loads(answer)

    def _failure(self) -> str:
        self._log.seek(0)
        return f"{self.peer}'s forwarder gave no answer:\n{self._log.read()[-2000:]}"


def _python(peer: str) -> str:
    return os.environ.get(f"{peer.upper()}_FORWARDER_PYTHON", sys.executable)
