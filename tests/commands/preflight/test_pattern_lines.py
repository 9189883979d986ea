"""The lines are those that the validator judges, and the pattern selects them here as well."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emulator.filter_pattern import compile_filter_pattern
from openreplay_cw_stack.commands.preflight.pattern_lines import PATTERN_LINES, PatternLine
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.tagging import Verdict, judge

CONFORMANCE = Path(__file__).parents[2] / "tagging" / "conformance" / "lines.jsonl"
NAME = re.compile("open.?replay.?session[^a-z]*(?:token|id)", re.IGNORECASE)


def test_as_many_as_aws_takes() -> None:
    """CloudWatch Logs API reference, "TestMetricFilter"."""
    assert len(PATTERN_LINES) == 50
    assert len({one.text for one in PATTERN_LINES}) == 50
    assert all(one.text for one in PATTERN_LINES)


@pytest.mark.parametrize("line", PATTERN_LINES, ids=lambda line: line.what)
def test_a_line_is_tagged_where_the_validator_says_so(line: PatternLine) -> None:
    assert (judge(line.text).verdict is not Verdict.UNTAGGED) is line.tagged


@pytest.mark.parametrize("line", PATTERN_LINES, ids=lambda line: line.what)
def test_the_pattern_selects_a_line_where_it_is_tagged(line: PatternLine) -> None:
    assert compile_filter_pattern(FILTER_PATTERN)(line.text) is line.tagged


def names(text: str) -> set[str]:
    return {match.group() for match in NAME.finditer(text)}


def test_they_have_each_spelling_of_the_conformance_set() -> None:
    rows = [json.loads(row) for row in CONFORMANCE.read_text().splitlines()]
    there = set().union(*(names(row["message"]) for row in rows))
    assert len(there) > 3
    assert there <= set().union(*(names(one.text) for one in PATTERN_LINES if one.tagged))
