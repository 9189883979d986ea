"""The messages of this project that the manual quotes are in its code."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, ROOT, section

PAGE = DOCS / "troubleshooting.md"


def texts_of_the_code() -> str:
    found = []
    for path in (ROOT / "openreplay_cw_stack").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [one.value for one in node.values if isinstance(one, ast.Constant)]
                found.append("\n".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def quoted(title: str) -> list[str]:
    cells = re.findall(r"^\| (`[^|]+) \|", section(PAGE, title), re.MULTILINE)
    return [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("title", ["Messages of the synthesis", "Messages of `register`"])
def test_every_message_is_one_of_the_code(title: str) -> None:
    messages, texts = quoted(title), texts_of_the_code()
    assert len(messages) >= 3
    for message in messages:
        for part in re.split(r"\s*…\s*", message):
            assert part.strip() in texts, message
