"""``make pictures``: draws the pictures of the manual from a run of the demo.

Every text and number in a picture of the demo comes from that run. What differs from run to run is
replaced before drawing (see :mod:`pictures.recording`). So two runs give the same pictures, and a
test compares them.
"""

from __future__ import annotations

from pathlib import Path

from pictures.architecture import draw_architecture
from pictures.dashboard import draw_dashboard
from pictures.recording import Recording
from pictures.terminal import draw_terminal, section, steps

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LINES = "Lines with a tag"


def drawn(recording: Recording) -> dict[str, str]:
    """Return every picture as SVG, by the name of its file."""
    printed = recording.printed
    demo = "\n\n".join(
        [
            "$ make demo",
            steps(printed),
            section(printed, "What OpenReplay will do with these lines"),
            "  …",
            section(printed, "Next"),
        ]
    )
    session = section(printed, "What OpenReplay lists beside the replay")
    return {
        "architecture.svg": draw_architecture(),
        "demo.svg": draw_terminal(demo, "make demo"),
        "session.svg": draw_terminal(session, "make demo: the bridge's response to OpenReplay"),
        "dashboard.svg": draw_dashboard(recording),
        "dashboard-lines.svg": draw_dashboard(recording, part=LINES),
    }
