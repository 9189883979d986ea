"""Every relative link of the documentation leads to a file, and to a heading in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, MANUAL, PAGES, ROOT, anchors, links


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


def test_every_page_is_in_the_table_of_contents_and_linked() -> None:
    pages = set(DOCS.glob("*.md")) - {DOCS / "index.md"}
    contents = (DOCS / "index.md").read_text().splitlines()
    assert {DOCS / f"{line}.md" for line in contents} & pages == pages
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in MANUAL for link in links(page)
    }
    assert pages - linked == set()
