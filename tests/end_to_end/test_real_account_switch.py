"""``make test-aws``, with an embedded AWS as the operator's account."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.cdk_cli import CdkCli
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.real_account import REPORT_VARIABLE, VARIABLE, left_behind

pytestmark = pytest.mark.end_to_end

PREFIX = "openreplay-cw-test-"


@pytest.fixture(scope="module")
def operators_account() -> Iterator[Emulator]:
    with Emulator() as account:
        yield account


def run(account: Emulator, report: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests as the target of the Makefile does; those that are not for it are skipped."""
    folder = report.with_suffix("")
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(f"--basetemp={folder}", "-m", "real_account", *arguments),
        ],
        cwd=ROOT,
        env={**account.child_environment(), VARIABLE: "aws", REPORT_VARIABLE: str(report)},
        capture_output=True,
        text=True,
        check=False,
    )


def nothing_is_left(account: Emulator, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr("tests.end_to_end.real_account.PREFIX", PREFIX)
    return left_behind(account) == []


def test_a_failed_deployment_is_removed(
    operators_account: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is not bootstrapped."""
    ran = run(operators_account, tmp_path / "report.md", "tests/end_to_end/test_real_account.py")
    assert ran.returncode == 1
    assert "bootstrap" in ran.stdout
    assert nothing_is_left(operators_account, monkeypatch)


def test_the_tests_run_there_and_leave_answers_and_nothing_else(
    operators_account: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**operators_account.child_environment(), "PYTHONPATH": str(ROOT)}
    CdkCli(environment, tmp_path / "bootstrap").bootstrap()
    report = tmp_path / "report.md"
    ran = run(operators_account, report, "tests/end_to_end/test_real_account.py")
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout
    answers = report.read_text()
    for question in (
        "TestMetricFilter",
        "FilterLogEvents",
        "ForwardedLogEvents",
        "wrong Authorization",
        "ids of one event",
        "Fn::Equals",
    ):
        assert question in answers
    assert nothing_is_left(operators_account, monkeypatch)


def test_another_value_of_the_switch_is_refused(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/end_to_end/test_demo.py"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: "prod"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert f"{VARIABLE} must be aws" in ran.stdout + ran.stderr
