"""A run of the demo, as the pictures use it: what it printed, its dashboard and its metrics."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from demo.lines import times_in_lines
from demo.recording import FILE

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "demo"]
COLUMNS = 110
# The time of the pictures, whenever the demo runs.
TIME = datetime(2026, 11, 24, 3, 11, 49, 123_000, tzinfo=timezone.utc)
_TIME_MS = int(TIME.timestamp() * 1000)
_DAY_MS = 86_400_000


class RunFailed(Exception):
    """The demo failed; it has printed why."""


@dataclass(frozen=True)
class Metric:
    """A custom metric of the run, and the sum of its values."""

    name: str
    dimensions: Mapping[str, str]
    sum: int


@dataclass(frozen=True)
class Recording:
    """A run of the demo.

    Attributes:
        printed: what it printed, with colours, as if it had run at :data:`TIME`.
        dashboard: the body of the deployed dashboard.
        metrics: the custom metrics.
    """

    printed: str
    dashboard: Mapping[str, Any]
    metrics: tuple[Metric, ...]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which the demo records itself into a folder."""
    inherited = {name: os.environ[name] for name in os.environ if name not in ("KEEP", "NO_COLOR")}
    return {**inherited, "RECORD": str(folder), "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}


def record(folder: Path) -> Recording:
    """Run the demo, show what it prints, and return the recording."""
    lines = []
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if running.returncode:
        raise RunFailed("The demo failed. No picture was changed.")
    return read(folder, "".join(lines))


def read(folder: Path, printed: str) -> Recording:
    """Return the recording of a run from its folder and from what it printed."""
    recorded = json.loads((folder / FILE).read_text())
    metrics = (Metric(one["name"], one["dimensions"], one["sum"]) for one in recorded["metrics"])
    return Recording(
        at_the_same_time(printed, recorded["now_ms"]), recorded["dashboard"], tuple(metrics)
    )


def at_the_same_time(printed: str, now_ms: int) -> str:
    """Return what a run would have printed at :data:`TIME`.

    Session ids and log lines contain the time, so they move with it. Durations and free ports
    disappear, and the bridge's host name becomes ``<api>``.
    """
    earlier_ms = now_ms - _TIME_MS
    text = re.sub(
        r"(?<!\d)\d{19}(?!\d)", lambda found: str(int(found[0]) - (earlier_ms << 24)), printed
    )
    text = re.sub(
        r"^(  )(\d\d):(\d\d):(\d\d)\.(\d{3})(?=  )",
        lambda found: found[1] + _clock(_of_day(*found.groups()[1:]) - earlier_ms),
        text,
        flags=re.MULTILINE,
    )
    # About as long after the lines as in a run.
    taken = (TIME + timedelta(seconds=3)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = re.sub(r"(taken at )[\dT:.-]+Z", rf"\g<1>{taken}", text)
    for program, written in times_in_lines(now_ms).items():
        text = text.replace(written, times_in_lines(_TIME_MS)[program])
    text = re.sub(r" +\033\[2m *\d+\.\d s\033\[0m$", "", text, flags=re.MULTILINE)
    text = re.sub(r", in \d+ seconds", "", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1", text)
    return re.sub(r"https://\w+(?=\.execute-api\.)", "https://<api>", text)


def _of_day(hours: str, minutes: str, seconds: str, milliseconds: str) -> int:
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(milliseconds)


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds % _DAY_MS, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
