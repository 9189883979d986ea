"""A function's own log: one line to standard output is one log event.

No line's content goes there, no session, no key.
"""

from __future__ import annotations

import json
import sys


def print_line(line: str) -> None:
    """Write a line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say(level: str, message: str) -> None:
    """Write a message with its level."""
    print_line(json.dumps({"level": level, "message": message}))
