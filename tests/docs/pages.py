"""The manual as the tests read it: its pages, their code blocks, links and anchors."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
MANUAL = (README, *sorted(DOCS.glob("*.md")))
PAGES = (*MANUAL, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")))

_FENCE = re.compile(r"^([ ]*)```(\w*).*\n((?:.*\n)*?)\1```$", re.MULTILINE)
_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced code block: where it stands, its language, its text without indentation."""

    page: Path
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.stem}-{self.number}"


def blocks(page: Path, title: str | None = None) -> list[Block]:
    """The code blocks of a page, or of one of its sections, in order."""
    text = page.read_text() if title is None else section(page, title)
    return [
        Block(page, number, language, re.sub(f"^{indentation}", "", inner, flags=re.MULTILINE))
        for number, (indentation, language, inner) in enumerate(_FENCE.findall(text), 1)
    ]


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of the links and pictures of a page, in order."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "`code`", prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub, GitLab and the built site have them."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        same = sum(1 for one in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one))
        found.add(f"{slug}-{same}" if same else slug)
    return found


def section(page: Path, title: str) -> str:
    """What stands under a heading of a page, up to the next one of its level or above."""
    text = page.read_text()
    found = re.search(rf"^(#+) {re.escape(title)}\n", text, re.MULTILINE)
    assert found is not None, f"{page.name} has no section {title}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", _FENCE.sub(_blanked, rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def hold(page: Path, name: str, text: str) -> None:
    """Compare what stands between two markers of a page; with ``UPDATE_SNAPSHOTS=1`` write it."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}\n{text.strip()}\n\n{end}{after}"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        page.write_text(wanted)
    assert page.read_text() == wanted


def _blanked(fence: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", fence[0])
