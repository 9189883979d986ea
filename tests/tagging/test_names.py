"""What the package names."""

from __future__ import annotations

import dataclasses

import pytest

from openreplay_cw_stack import tagging
from openreplay_cw_stack.tagging import Judgement, Verdict, judge


def test_every_name_is_there() -> None:
    assert {name for name in tagging.__all__ if not hasattr(tagging, name)} == set()
    assert sorted(tagging.__all__) == sorted(set(tagging.__all__))


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
