"""Runs the demo and draws the pictures of the manual in ``docs/images``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pictures import IMAGES, drawn
from pictures.recording import RunFailed, record


def main() -> int:
    """Draw the pictures and return the exit status."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = drawn(record(Path(folder)))
    except RunFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for name, svg in found.items():
        (IMAGES / name).write_text(svg)
        print(f"{IMAGES.name}/{name}: {len(svg.encode()) / 1000:.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
