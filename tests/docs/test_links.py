"""Every relative link of the documentation leads to a file, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors, links, section


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    return [link for link in links(page) if "://" not in link and not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists() or ROOT not in target.parents:
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = DOCS / "index.md"
    assert leads_somewhere(page, "alarms.md#deadletters")
    for link in ("nothing.md", "alarms.md#nothing", "#nothing", "../../README.md", "conf.py#x"):
        assert not leads_somewhere(page, link)
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](b.md) `[c](d.md)` ![e](f.svg)\n\n```\n[g](h.md)\n```\n## One\n")
    assert links(page) == ["b.md", "f.svg"]
    assert anchors(page) == {"one", "one-1"}


def test_every_page_is_in_the_list_of_all_pages() -> None:
    """The site's table of contents is made of it."""
    listed = re.findall(r"\]\(([\w-]+\.md)\)", section(DOCS / "index.md", "All pages"))
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page.stem != "index")
