"""What the pictures have in common: texts in SVG."""

from __future__ import annotations

import html
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "system-ui, Helvetica, Arial, sans-serif"
# The width of a letter of the widest of these fonts, as a part of its size
LETTER = 0.59
BLACK, GREY = "#16191f", "#545b64"


def document(width: int, height: int, label: str, parts: list[str]) -> str:
    """Return a whole picture.

    Args:
        width: its width.
        height: its height.
        label: what it shows, for those who cannot see it.
        parts: its elements.
    """
    head = (
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {width} {height}" font-family="{FONT}" '
        f'font-size="12" role="img" aria-label="{html.escape(label)}">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, **attributes: str | float) -> str:
    """Return a text element. An underscore in an attribute's name stands for a hyphen."""
    more = "".join(f' {name.replace("_", "-")}="{it}"' for name, it in attributes.items())
    return f'<text x="{x:g}" y="{y:g}"{more}>{html.escape(content, quote=False)}</text>'


def titled(x: float, y: float, title: str, beside: str, **attributes: str | float) -> str:
    """Return a bold text, and a small grey one beside it."""
    bold = text(x, y, title, font_size=13, font_weight="bold", fill=BLACK, **attributes)
    if not beside:
        return bold
    small = f'<tspan dx="7" font-size="11" font-weight="normal" fill="{GREY}">{beside}</tspan>'
    return bold.replace("</text>", f"{small}</text>")


def rect(x: float, y: float, width: float, height: float, fill: str, **more: str | float) -> str:
    """Return a rectangle."""
    rest = "".join(f' {name.replace("_", "-")}="{it}"' for name, it in more.items())
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"{rest}/>'


def texts_of(svg: str) -> list[str]:
    """Return every text of a picture, in order, without blank ones."""
    found = ElementTree.fromstring(svg).iter(f"{{{NAMESPACE}}}text")
    texts = (" ".join(one.itertext()).replace("\xa0", " ") for one in found)
    return [one for one in texts if one.strip()]
