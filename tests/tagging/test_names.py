"""What the package names, and what it loads for that."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack import tagging
from openreplay_cw_stack.tagging import Judgement, Verdict, judge

ROOT = Path(__file__).parents[2]


def test_every_name_is_there() -> None:
    assert {name for name in tagging.__all__ if not hasattr(tagging, name)} == set()
    assert set(tagging.__all__) <= set(dir(tagging))


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        tagging.Nonsense  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from openreplay_cw_stack.tagging import Nonsense  # type: ignore[attr-defined]  # noqa: F401


def test_judgements_are_frozen_dataclasses() -> None:
    judgement = judge("[openReplaySession.id=1] error", now_ms=0)
    assert isinstance(judgement, Judgement)
    assert dataclasses.replace(judgement, verdict=Verdict.UNTAGGED) != judgement
    with pytest.raises(dataclasses.FrozenInstanceError):
        judgement.verdict = Verdict.UNTAGGED  # type: ignore[misc]


@pytest.mark.parametrize(
    "use",
    [
        "from openreplay_cw_stack.tagging import *; judge('')",
        "from openreplay_cw_stack import tagging; tagging.judge('')",
        "from openreplay_cw_stack.tagging import Judgement, PollSkip, judge; judge('')",
        "from openreplay_cw_stack.tagging import judgement; judgement.judge('')",
        "import openreplay_cw_stack.tagging.poller, openreplay_cw_stack.tagging as t; t.judge('')",
    ],
)
def test_what_judges_is_loaded_when_it_is_named(use: str) -> None:
    program = (
        "import sys, openreplay_cw_stack.tagging\n"
        "assert 'openreplay_cw_stack.tagging.judgement' not in sys.modules\n"
        f"{use}\n"
        "assert 'openreplay_cw_stack.tagging.judgement' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
