"""The output of the demo: steps with their durations, and tables that fit the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "bold": "1", "dim": "2"}


def coloured(text: str, colour: str) -> str:
    """Return the text in a colour, if the terminal supports colours and NO_COLOR allows them.

    FORCE_COLOR stands for a terminal that supports colours.
    """
    if os.environ.get("NO_COLOR") or not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"


def say(text: str = "") -> None:
    """Print a line and flush it."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Print a heading."""
    say(f"\n{coloured(text, 'bold')}")


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show that a step runs, then its duration."""
    started = time.monotonic()
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(text, started, done), daemon=True)
    if sys.stdout.isatty():
        ticker.start()
    else:
        say(f"  ... {text}")
    try:
        yield
    except BaseException:
        _finish(done, ticker)
        say(f"  {coloured('✗', 'red')} {text}")
        raise
    _finish(done, ticker)
    seconds = f"{time.monotonic() - started:.1f} s"
    say(f"  {coloured('✓', 'green')} {text:<66} {coloured(f'{seconds:>7}', 'dim')}")


def _tick(text: str, started: float, done: threading.Event) -> None:
    while not done.wait(0.5):
        sys.stdout.write(f"\r  … {text} ({time.monotonic() - started:.0f} s)")
        sys.stdout.flush()


def _finish(done: threading.Event, ticker: threading.Thread) -> None:
    done.set()
    if ticker.is_alive():
        ticker.join()
    if sys.stdout.isatty():
        sys.stdout.write("\r\033[K")


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int],
    colours: Mapping[str, str] | None = None,
) -> None:
    """Print a table with wrapped cells.

    Args:
        header: the titles of the columns.
        rows: the cells.
        widths: the widths of the columns. A column of width 0 gets the rest of the terminal.
        colours: the colours of cells, by their text.
    """
    total = min(shutil.get_terminal_size((110, 24)).columns, 130)
    free = total - 4 - sum(widths) - 2 * (len(widths) - 1)
    flexible = max(24, free // max(1, list(widths).count(0)))
    actual = [width or flexible for width in widths]
    say("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(header, actual, strict=True)))
    say("  " + coloured("  ".join("─" * width for width in actual), "dim"))
    for row in rows:
        for line in _wrapped(row, actual, colours or {}):
            say(f"  {line}".rstrip())


def _wrapped(
    row: Sequence[str], widths: Sequence[int], colours: Mapping[str, str]
) -> Iterator[str]:
    cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, cells))):
        pieces = []
        for text, cell, width in zip(row, cells, widths, strict=True):
            shown = f"{cell[number]:<{width}}" if number < len(cell) else ""
            is_coloured = shown and text in colours
            pieces.append(coloured(shown, colours[text]) if is_coloured else f"{shown:<{width}}")
        yield "  ".join(pieces)
