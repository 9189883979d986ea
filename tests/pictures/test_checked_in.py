"""The pictures in ``docs/images``; ``tests/end_to_end/test_demo.py`` compares them with a run."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from openreplay_cw_stack.tagging import remove_session_tokens
from pictures import IMAGES
from pictures.architecture import draw_architecture
from pictures.svg import NAMESPACE, texts_of
from tests.docs.pages import MANUAL, README, links

PICTURES = sorted(IMAGES.glob("*"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
class TestEach:
    def test_is_small_and_needs_nothing_from_elsewhere(self, path: Path) -> None:
        svg = path.read_text()
        assert len(svg.encode()) < 60_000
        assert ElementTree.fromstring(svg).tag == f"{{{NAMESPACE}}}svg"
        drawn = re.sub(r"<text[ >].*?</text>", "", svg).replace(NAMESPACE, "")
        assert "://" not in drawn
        assert not re.search(r"<script|<image|@import|@font-face|<foreignObject", svg)

    def test_has_a_background_of_its_own(self, path: Path) -> None:
        """Pages are light or dark."""
        tree = ElementTree.fromstring(path.read_text())
        _, _, width, height = map(float, tree.attrib["viewBox"].split())
        filled = [one.attrib for one in tree.iter(f"{{{NAMESPACE}}}rect") if "fill" in one.attrib]
        sizes = [float(one["width"]) * float(one["height"]) for one in filled]
        assert max(sizes) > 0.98 * width * height

    def test_has_no_secret(self, path: Path) -> None:
        text = "\n".join(texts_of(path.read_text()))
        assert text
        assert remove_session_tokens(text) == text
        assert not re.search(r"AKIA\w{16}|[A-Za-z0-9_-]{40,}|\b\d{12}\b|arn:", text)

    def test_is_shown(self, path: Path) -> None:
        assert path.name in {link.rpartition("/")[2] for page in MANUAL for link in links(page)}


def test_the_readme_has_pictures() -> None:
    assert len([one for one in links(README) if one.endswith(".svg")]) >= 3


def test_the_diagram_is_what_the_command_draws() -> None:
    assert (IMAGES / "architecture.svg").read_text() == draw_architecture()
