from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.judge import TOKEN_SECRET_VARIABLE
from openreplay_cw_stack.tagging import Verdict, token_tag
from openreplay_cw_stack.tagging.advice import ADVICE
from tests.commands.support import Client, refusal
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token

ROOT = Path(__file__).parents[2]
TOKEN = a_token()
GOOD = f"{token_tag(TOKEN)} ERROR no stock left"
MISSPELLED = f"[openReplaySessionToken: {TOKEN}] timeout"


class Input:
    def __init__(self, text: bytes) -> None:
        self.buffer = io.BytesIO(text)

    def isatty(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_SECRET_VARIABLE, raising=False)


def judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: Any, *options: str
) -> tuple[int, list[str], str]:
    """The exit status, the lines of stdout, and stderr."""
    data = text if isinstance(text, bytes) else str(text).encode()
    monkeypatch.setattr(sys, "stdin", Input(data))
    status = main(["judge", *options])
    printed = capsys.readouterr()
    assert TOKEN not in printed.out + printed.err
    return status, printed.out.splitlines(), printed.err


def test_a_line_that_will_be_linked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines, _ = judged(monkeypatch, capsys, f"{GOOD}\n")
    assert status == 0
    assert lines[0].split() == [
        *("linkable", str(SESSION_ID)),
        *f"[openReplaySessionToken=<session token removed>] {GOOD.split('] ')[1]}".split(),
    ]
    assert lines[1] == "1 line: 1 linkable (signatures not checked)"


def test_each_fault_is_explained_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{GOOD}\r\n{MISSPELLED}\n{MISSPELLED}\nnothing\n"
    status, lines, _ = judged(monkeypatch, capsys, text)
    assert status == 1
    assert sum(ADVICE[Verdict.MISSPELLED_TAG] in line for line in lines) == 1
    assert sum(ADVICE[Verdict.UNTAGGED] in line for line in lines) == 1
    assert lines[-1] == (
        "4 lines: 1 linkable, 2 misspelled_tag, 1 untagged (signatures not checked)"
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 1), ("nothing\n", 1), (f"{GOOD}\nnothing", 0), (f"{GOOD}\n{MISSPELLED}", 1)],
)
def test_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, status: int
) -> None:
    assert judged(monkeypatch, capsys, text)[0] == status


@pytest.mark.parametrize(
    ("secret", "verdict"), [(TOKEN_SECRET.decode(), "linkable"), ("s3cret", "bad_signature")]
)
def test_with_the_token_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str, verdict: str
) -> None:
    monkeypatch.setenv(TOKEN_SECRET_VARIABLE, secret)
    _, lines, _ = judged(monkeypatch, capsys, GOOD)
    assert lines[0].startswith(verdict)
    assert lines[-1].endswith("(signatures checked)")
    assert secret not in "\n".join(lines)


def test_an_id_that_nobody_signed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TOKEN_SECRET_VARIABLE, "secret")
    line = "[openReplaySession.id=7] error"
    assert judged(monkeypatch, capsys, line)[0] == 1
    assert judged(monkeypatch, capsys, line, "--accept-unsigned-ids")[0] == 0


def test_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines, summary = judged(monkeypatch, capsys, f"{GOOD}\n{MISSPELLED}\n", "--json")
    assert status == 1
    good, misspelled = map(json.loads, lines)
    assert (good["verdict"], good["session"]) == ("linkable", str(SESSION_ID))
    assert good["readers"] == ["poll", "search"]
    assert misspelled["session"] is None
    assert misspelled["advice"] == ADVICE[Verdict.MISSPELLED_TAG]
    assert misspelled["line"] == "[openReplaySessionToken: <session token removed>] timeout"
    assert summary == "2 lines: 1 linkable, 1 misspelled_tag (signatures not checked)\n"


def test_hostile_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = b"\x1b[2J\x00\xff " + GOOD.encode() + b" " + b"x" * 10_000 + b"\n\xe2\x80\xa8\n"
    _, lines, _ = judged(monkeypatch, capsys, text)
    assert all(len(line) < 240 for line in lines)
    assert all(line.isprintable() for line in lines)


def test_a_line_of_a_node_function_on_lambda(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"2026-11-24T03:11:49.123Z\t6f1c\tERROR\t{GOOD}"
    _, lines, _ = judged(monkeypatch, capsys, text)
    assert "03:11:49.123Z    6f1c    ERROR   [openReplaySessionToken=" in lines[0]


def test_tabs_do_not_make_a_shown_line_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines, _ = judged(monkeypatch, capsys, "\t" * 500 + GOOD)
    assert len(lines[0]) < 240


def test_a_log_group_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Client(
        {"filter_log_events": refusal("FilterLogEvents", "ResourceNotFoundException", "gone!")}
    )
    monkeypatch.setattr("boto3.client", lambda service, **settings: gone)
    assert main(["judge", "--log-group", "/app/nowhere"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("log group /app/nowhere does not exist in eu-west-1 and the account of ")
    assert "AWS_REGION sets the region" in said
    assert "gone!" not in said


@pytest.mark.parametrize("options", [["--minutes", "0"], ["--minutes", "x"], ["--nonsense"]])
def test_wrong_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", *options])
    assert ended.value.code == 2


def test_a_reader_that_has_enough() -> None:
    ran = subprocess.run(
        f"yes '{MISSPELLED}' | head -20000 | {sys.executable} -m openreplay_cw_stack judge"
        " | head -1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.startswith("misspelled_tag")
    assert ran.stderr == ""


def test_an_encoding_that_lacks_characters() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "openreplay_cw_stack", "judge"],
        input=f"{GOOD} \U0001f600".encode(),
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[0].endswith(b"no stock left ?")


def test_without_boto3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert main(["judge", "--log-group", "/app/checkout"]) == 2
    said = (
        "this command needs boto3, which is not installed: pip install 'openreplay-cw-stack[cli]'"
    )
    assert capsys.readouterr().err == f"{said}\n"


def test_standard_input_needs_neither_boto3_nor_rich(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert judged(monkeypatch, capsys, f"{GOOD}\n")[0] == 0
