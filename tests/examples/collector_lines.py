"""What an application writes, before a collector takes it: each line ends with whose it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

CAPTURED = Path(__file__).parent / "captured"
"""Events of collectors, as CloudWatch Logs gets them."""

COLLECTORS = Path(__file__).parents[2] / "examples" / "collectors"

ANNAS = "vacw97eg4wna.1v7.mwtr4d94.pUeE4zAftLaQYR3dJ6fvdKguey33QorwnQc5xrAqwwc"
BERTS = "j4ba0ae04j7c.-11.lp0bjpq8.HosruKofsxG7keWG1qqprXTFT8QYQY9PToxTNDUaKFaC"
ANNAS_TAG = f"[openReplaySessionToken={ANNAS}] "

LINES = [
    f"{ANNAS_TAG}2026-11-28 12:44:59,533 ERROR Shop - order failed (anna)",
    f"{ANNAS_TAG}java.lang.IllegalStateException: no stock left (anna)",
    f"{ANNAS_TAG}\tat Shop.order(Shop.java:38) (anna)",
    "2026-11-28 12:44:59,593 ERROR Shop - order failed (nobody)",
    "java.lang.IllegalStateException: no stock left (nobody)",
    "\tat Shop.order(Shop.java:38) (nobody)",
    json.dumps({"message": "order received (bert)", "openReplaySessionToken": BERTS}),
    json.dumps({"message": "order received (nobody)"}),
]
"""Anna's error and nobody's, of three lines each; a JSON line of Bert's, and one of nobody's."""

LONG_LINE = json.dumps(
    {"message": f"stock: {'lamp, ' * 2800}nothing (bert)", "openReplaySessionToken": BERTS}
)
"""A JSON line of Bert's that container runtimes split; the session token is in its last part."""


def settings_of_fluent_bit() -> dict[str, str]:
    """Its configuration files without comments and layout: what the captured events depend on."""
    files = sorted([*COLLECTORS.glob("firelens/*"), *COLLECTORS.glob("fluent-bit/*")])
    return {
        file.name: " ".join(re.sub(r"(?m)^\s*#.*$", "", file.read_text()).split()) for file in files
    }
