"""The bill: for a terminal, or as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from openreplay_cw_stack.commands.cost.alternatives import Alternative
from openreplay_cw_stack.commands.cost.model import Item, total
from openreplay_cw_stack.commands.cost.prices import DATE, REGION

PARTS = {
    "fixed": "whatever the traffic",
    "lines": "with the lines",
    "questions": "with OpenReplay's questions",
}
_NAME_WIDTH = 36


def as_text(items: Sequence[Item], others: Sequence[Alternative]) -> Iterator[str]:
    """The bill in lines, and what other ways cost."""
    yield f"Dollars a month, at the list prices of {REGION} ({DATE}), without free tiers"
    for part, heading in PARTS.items():
        of_part = [item for item in items if item.part == part]
        if not of_part:
            continue
        yield ""
        yield _row(heading, total(of_part))
        for item in of_part:
            unit = item.unit.removesuffix("s") if item.quantity == 1 else item.unit
            amount = f"{_quantity(item.quantity)} {unit} at {item.price:.8g}"
            yield _row(f"  {item.name}", item.dollars) + f"   {amount}"
    yield ""
    yield _row("in all", total(items))
    yield ""
    yield "Other ways, without what carries the lines there"
    for other in others:
        yield _row(f"  {other.name}", other.dollars)


def as_json(items: Sequence[Item], others: Sequence[Alternative]) -> str:
    """The same for machines; dollars are not rounded."""
    document = {
        "region": REGION,
        "prices_of": DATE,
        "total": total(items),
        "parts": {part: total(items, part) for part in PARTS},
        "items": [
            {
                "part": item.part,
                "name": item.name,
                "quantity": item.quantity,
                "unit": item.unit,
                "price": item.price,
                "dollars": item.dollars,
            }
            for item in items
        ],
        "alternatives": {other.name: other.dollars for other in others},
    }
    return json.dumps(document, indent=2)


def _row(name: str, dollars: float) -> str:
    return f"{name:<{_NAME_WIDTH}}{dollars:>12,.2f}"


def _quantity(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:.3g}"
