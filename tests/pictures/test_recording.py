"""Two runs of the demo give one recording."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from demo.lines import times_in_lines
from demo.recording import FILE
from pictures import recording
from pictures.recording import TIME, Metric, RunFailed, at_the_same_time, environment, read, record

NOW_MS = int(TIME.timestamp() * 1000)


def printed(now_ms: int, clock: str, port: int, seconds: float, api: str) -> str:
    """What the demo prints, in short."""
    session = (now_ms - 1_550_000_000_000 << 24) | 256
    line_time = times_in_lines(now_ms)["Java"]
    return (
        f"  ✓ embedded AWS at http://127.0.0.1:{port}\n"
        f"  ✓ cdk deploy    \033[2m {seconds:5.1f} s\033[0m\n"
        f"  {session}  error  at 03:11:49.123  in {port}\n"
        f"  sent to https://{api}.execute-api.us-east-1.amazonaws.com/\n"
        f"  {clock}  error  payment failed\n"
        f"  {clock}  error  {line_time} ERROR 1 --- [nio] invoice refused\n"
        f"  {clock}  info   This view was taken at 2027-01-02T{clock}Z, while\n"
        f"Everything works as expected, in {seconds:.0f} seconds.\n"
    )


def test_two_runs_print_the_same() -> None:
    # 23:59:59.999 of the day before, and five minutes and a second later
    first, second = NOW_MS - 11_509_124, NOW_MS - 11_208_124
    one = at_the_same_time(printed(first, "23:59:59.999", 8001, 12.3, "abc1"), first)
    other = at_the_same_time(printed(second, "00:05:00.999", 8001, 101, "9f"), second)
    assert one == other
    assert "  03:11:49.123  error  payment failed\n" in one
    assert f"  {(NOW_MS - 1_550_000_000_000 << 24) | 256}  error  at 03:11:49.123" in one
    assert "  03:11:49.123  error  2026-11-24 03:11:49.123 ERROR 1 --- [nio]" in one
    assert "taken at 2026-11-24T03:11:52.123Z, while" in one
    assert "https://<api>.execute-api.us-east-1" in one
    assert "✓ cdk deploy\n" in one
    assert one.endswith("Everything works as expected.\n")


def test_it_is_read_from_the_folder(tmp_path: Path) -> None:
    metric = {"name": "Lines", "dimensions": {"Verdict": "linkable"}, "sum": 8}
    body: dict[str, list[str]] = {"widgets": []}
    text = json.dumps({"now_ms": NOW_MS, "dashboard": body, "metrics": [metric]})
    (tmp_path / FILE).write_text(text)
    found = read(tmp_path, "Next\n")
    assert found.printed == "Next\n"
    assert found.dashboard == body
    assert found.metrics == (Metric("Lines", {"Verdict": "linkable"}, 8),)


def test_the_demo_records_itself_in_colours_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEP", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    found = environment(tmp_path)
    assert not {"KEEP", "NO_COLOR"} & found.keys()
    assert found["RECORD"] == str(tmp_path)
    assert found["FORCE_COLOR"]


def test_a_demo_that_fails_gives_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "print('The demo failed.'); raise SystemExit(1)"]
    monkeypatch.setattr(recording, "COMMAND", failing)
    with pytest.raises(RunFailed):
        record(tmp_path)
    assert "The demo failed." in capsys.readouterr().out
