"""Sphinx settings of the manual: ``make docs`` builds it into ``docs/_build``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
# Node 20 still works; jsii would print an end-of-life banner.
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"

from sphinx.application import Sphinx

from openreplay_cw_stack.version import VERSION

project = "openreplay-cw-stack"
author = "The openreplay-cw-stack authors"
copyright = "2026, " + author  # noqa: A001
release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# Headings get the anchors that GitHub and GitLab give them, so that a link works in both places.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "openreplay-cw-stack"
html_static_path: list[str] = []
html_show_sphinx = False


def _for_the_site(_: Sphinx, page: str, source: list[str]) -> None:
    """Change a page for the site; in the repository it is read as it is.

    The list of all pages becomes the site's table of contents. A link to a file outside this folder
    becomes its text: the site does not have the file.
    """
    text = source[0]
    if page == "index":
        text, _, contents = text.partition("## All pages\n")
        for part in re.split(r"^- ", contents, flags=re.MULTILINE)[1:]:
            caption = re.findall(r"\*\*(.+):\*\*", part)[0]
            pages = "\n".join(re.findall(r"\(([\w-]+)\.md\)", part))
            text += f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n\n"
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", text)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _for_the_site)
