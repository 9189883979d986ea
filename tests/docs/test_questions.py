"""Twenty questions of a reader: each has an answer, and a section that says more."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, anchors

PAGE = DOCS / "questions.md"
ROWS = re.findall(
    r"^\| ([^|]+\?(?: [^|]+\?)?) \| ([^|]+) \| \[[^\]]+\]\(([^)]+)\) \|$",
    PAGE.read_text(),
    re.MULTILINE,
)


def test_there_are_twenty() -> None:
    assert len(ROWS) >= 20
    assert len(ROWS) == len(re.findall(r"^\| .* \|$", PAGE.read_text(), re.MULTILINE)) - 1
    assert len({question for question, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("question", "answer", "link"), ROWS, ids=[row[0] for row in ROWS])
def test_the_answer_is_there(question: str, answer: str, link: str) -> None:
    name, _, anchor = link.partition("#")
    page = DOCS / name
    assert page.is_file(), question
    assert not anchor or anchor in anchors(page), question
    assert len(answer.split()) <= 15, "the answer is short; the page says more"
