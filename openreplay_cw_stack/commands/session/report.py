"""Prints a session as a table."""

from __future__ import annotations

from openreplay_cw_stack.commands.session.view import SessionView
from openreplay_cw_stack.commands.terminal import Output, clean, clean_lines, count

_LEVEL_STYLES = {"error": "red", "warning": "yellow", "info": "", "debug": "dim"}


def print_session(output: Output, view: SessionView) -> None:
    """Print the lines that the bridge returns, or why it returns none."""
    from rich.table import Table
    from rich.text import Text

    hits = view.hits or view.held
    if hits:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("TIME", no_wrap=True)
        table.add_column("LEVEL", no_wrap=True)
        table.add_column("LOG GROUP", overflow="fold", max_width=32 if output.is_terminal else None)
        table.add_column("MESSAGE", overflow="fold")
        for hit in hits:
            source = hit["_source"]
            level, group = source["level"], source["log_group"]
            message = source["message"].removeprefix(f"{group}: ")
            table.add_row(
                source["@timestamp"],
                Text(level, style=_LEVEL_STYLES.get(level, "")),
                clean(group),
                clean_lines(message),
            )
        output.show(table)
        output.line()
    output.show(f"Session {view.session}: {_summary(view)}")
    if view.skipped:
        parts = ", ".join(f"{number} {reason}" for reason, number in sorted(view.skipped.items()))
        output.show(f"Items that are not shown: {parts}.")
    if view.waiting is None:
        output.show("Lines may wait in the retry queue: AWS refuses access to its length.")
    elif view.waiting:
        output.show("Lines wait in the retry queue. Those of this session are missing here.")


def _summary(view: SessionView) -> str:
    if view.state == "answered":
        return f"the bridge returns {count(len(view.hits), 'hit')}."
    shown = f" The {count(len(view.held), 'hit')} above are held back." if view.held else ""
    return f"{view.state}: {view.reason}.{shown}"
