"""Draws what a program printed, as a terminal shows it."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pictures.recording import COLUMNS

_HEADING = re.compile(r"^\033\[1m(.+)\033\[0m$", re.MULTILINE)
_END = re.compile(r"^\033\[32mEverything works", re.MULTILINE)
# Every colour has a contrast of at least 4.5 to the background.
_THEME = TerminalTheme(
    (24, 28, 36),
    (226, 230, 236),
    [
        (24, 28, 36),
        (255, 123, 114),
        (94, 212, 126),
        (240, 192, 96),
        (121, 182, 255),
        (210, 168, 255),
        (118, 208, 224),
        (226, 230, 236),
    ],
)
# Rich's own format fetches a font from elsewhere.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", \
monospace; line-height: {line_height}px }}
.{unique_id}-title {{ font: bold 18px system-ui, Helvetica, Arial, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">\
<rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def section(printed: str, title: str) -> str:
    """Return a heading that begins with a title, and what the demo prints under it."""
    headings = list(_HEADING.finditer(printed))
    for number, heading in enumerate(headings):
        if heading[1].startswith(title):
            ends = [len(printed), *(one.start() for one in headings[number + 1 :][:1])]
            text = printed[heading.start() : min(ends)]
            return _END.split(text)[0].rstrip()
    raise LookupError(f"the demo prints no heading that begins with {title!r}")


def steps(printed: str) -> str:
    """Return what the demo prints before its first table: its steps, as they end."""
    first, second = list(_HEADING.finditer(printed))[:2]
    lines = printed[first.start() : second.start()].splitlines()
    return "\n".join(one for one in lines if not one.startswith("  ... ")).rstrip()


def draw_terminal(printed: str, title: str) -> str:
    """Return the printed text, with its colours, as SVG."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    console.print()
    console.print(Text.from_ansi(printed), no_wrap=True, highlight=False, overflow="crop")
    console.print()
    svg = console.export_svg(title=title, theme=_THEME, code_format=_FORMAT, unique_id="terminal")
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"
