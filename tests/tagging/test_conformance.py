"""Our verdict against what OpenReplay's own Go code said of 729 log lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import Reader, TagForm, Verdict, find_tags, judge

LINES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "lines.jsonl").read_text().splitlines()
]


def test_all_lines_are_here() -> None:
    assert len(LINES) == 729


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['id']}-{line['category']}")
def test_poll_reads_exactly_what_openreplay_v1_20_reads(line: dict[str, Any]) -> None:
    judgement = judge(line["message"], token_secret=line["secret"].encode(), now_ms=line["now_ms"])
    assert (Reader.POLL in judgement.readers) == line["verdict"]["event_v1_20"]
    assert (judgement.poll_skip is None) == line["verdict"]["event_v1_20"]
    assert (Reader.SEARCH in judgement.readers) == (judgement.verdict is Verdict.LINKABLE)


@pytest.mark.parametrize(
    "line", [line for line in LINES if line["verdict"]["event_v1_20"]], ids=lambda line: line["id"]
)
def test_both_readers_find_the_same_session(line: dict[str, Any]) -> None:
    judgement = judge(line["message"], token_secret=line["secret"].encode(), now_ms=line["now_ms"])
    if judgement.verdict is Verdict.LINKABLE:
        assert judgement.session_id == int(line["verdict"]["v1_20"]["session_id"])
    else:
        # The poller ignores the case of the tag; as documented, the tag is case-sensitive.
        assert judgement.verdict is Verdict.MISSPELLED_TAG
        assert {tag.form for tag in find_tags(line["message"])} == {TagForm.MISSPELLED}
