"""Draws the way of a log line. A test compares the boxes with the resources of the stack."""

from __future__ import annotations

from dataclasses import dataclass, field

from pictures.svg import document, rect, text

_WIDTH, _HEIGHT = 860, 330
_INK, _LINE, _SLATE, _BLUE, _OURS = "#0f172a", "#334155", "#475569", "#0369a1", "#e0f2fe"
_LABEL = (
    "The way of a log line: the browser sends the session token to the backend, the backend tags "
    "its log lines, the validator stores linkable lines in the session table, and the bridge "
    "answers OpenReplay from it."
)


@dataclass(frozen=True)
class Box:
    """A box with two lines of text.

    Attributes:
        place: its left and upper edge, and its width.
        lines: its text.
        first: how the first line is drawn.
        second: how the second line is drawn.
        fill: its colour; the stack's own parts are blue.
        resources: the types of the resources that it stands for, without ``AWS::``.
    """

    place: tuple[int, int, int]
    lines: tuple[str, str]
    first: dict[str, str] = field(default_factory=dict)
    second: dict[str, str] = field(default_factory=dict)
    fill: str = "#ffffff"
    resources: frozenset[str] = frozenset()


_BOLD, _SMALL = {"font_weight": "600"}, {"fill": _SLATE}

BOXES = (
    Box((14, 70, 96), ("browser with", "the tracker")),
    Box((14, 240, 96), ("backend", "+ tagging"), second={"fill": _BLUE}),
    Box((265, 240, 120), ("tracked", "log groups"), resources=frozenset({"Logs::LogGroup"})),
    Box(
        (265, 70, 120),
        ("metrics, alarms,", "dashboard"),
        resources=frozenset({"CloudWatch::Alarm", "CloudWatch::Dashboard", "SNS::Topic"}),
    ),
    Box(
        (265, 155, 120),
        ("validator", "Lambda"),
        _BOLD,
        _SMALL,
        _OURS,
        frozenset({"Lambda::Function", "Logs::SubscriptionFilter"}),
    ),
    Box(
        (505, 155, 125),
        ("session table", "DynamoDB"),
        _BOLD,
        _SMALL,
        _OURS,
        frozenset({"DynamoDB::Table"}),
    ),
    Box(
        (505, 240, 125),
        ("bridge", "HTTP API, Lambda"),
        _BOLD,
        _SMALL,
        _OURS,
        frozenset({"ApiGatewayV2::Api", "Lambda::Function", "SecretsManager::Secret"}),
    ),
    Box(
        (505, 70, 125),
        ("retry and", "dead-letter queue"),
        fill=_OURS,
        resources=frozenset({"SQS::Queue"}),
    ),
    Box((735, 240, 111), ("OpenReplay", "player, Traces"), second=_SMALL),
)
_ARROWS = (
    "M62 124V238",
    "M110 267H263",
    "M325 240V211",
    "M325 155V126",
    "M385 182H503",
    "M385 170L503 106",
    "M567 240V211",
    "M735 267H632",
)
_WORDS = (
    (70, 176, "X-OpenReplay-"),
    (70, 191, "SessionToken"),
    (122, 258, "tagged line"),
    (333, 229, "subscription filter"),
    (333, 145, "verdicts"),
    (398, 200, "linkable lines"),
    (575, 229, "one Query"),
    (657, 258, "search"),
)


def draw_architecture() -> str:
    """Return the diagram as SVG."""
    parts = [
        rect(0, 0, _WIDTH, _HEIGHT, "#ffffff"),
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{_SLATE}"/></marker></defs>',
        rect(245, 34, 405, 278, "#f8fafc", rx=8, stroke="#cbd5e1"),
        text(259, 54, "your AWS account", fill=_SLATE),
    ]
    for box in BOXES:
        x, y, width = box.place
        parts.append(rect(x, y, width, 54, box.fill, rx=6, stroke=_LINE, stroke_width=1.3))
        for line, below, style in zip(box.lines, (24, 41), (box.first, box.second), strict=True):
            shown = {"fill": _INK, "text_anchor": "middle", "font_size": "12.5", **style}
            parts.append(text(x + width // 2, y + below, line, **shown))
    parts += [
        f'<path d="{one}" fill="none" stroke="{_SLATE}" stroke-width="1.5" marker-end="url(#tip)"/>'
        for one in _ARROWS
    ]
    parts += [text(x, y, word, fill=_SLATE) for x, y, word in _WORDS]
    return document(_WIDTH, _HEIGHT, _LABEL, parts)
