"""Prints tables and colours on a terminal, and plain lines in a pipe.

Texts from outside go through :func:`clean` and are printed without rich's markup. The output to a
pipe has no escape codes, wrapped lines or trailing blanks. rich respects NO_COLOR, COLUMNS and the
width of the terminal.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, TextIO

from openreplay_cw_stack.commands.aws import INSTALL
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.tagging import remove_session_tokens

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 1_000_000
"""Wider than any line, so that rich does not wrap or cut lines in a pipe."""
_TAB_WIDTH = 4


def clean(text: str) -> str:
    """Remove session tokens from one line, and replace control characters.

    Tabs and other spaces, such as a no-break space, become blanks: Node.js functions on Lambda
    write tabs between the parts of a line, and stack traces begin with them.
    """
    return "".join(map(_shown, remove_session_tokens(text).expandtabs(_TAB_WIDTH)))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if unicodedata.category(character) == "Zs" else "�"


def clean_lines(text: str) -> str:
    """Clean each line of a text and keep its line breaks."""
    return "\n".join(map(clean, text.split("\n")))


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line, by default to standard output."""
    print(text, file=sys.stdout if stream is None else stream)


def ask(question: str) -> str:
    """Ask a question at the terminal and return the answer.

    The question goes to standard error, since a program may read standard output.
    """
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip()


def confirm(question: str) -> None:
    """Ask for confirmation at the terminal.

    Raises:
        CommandFailed: the user does not confirm, or there is no terminal.
    """
    if not sys.stdin.isatty():
        raise CommandFailed("there is no terminal to ask for confirmation: add --yes")
    if ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise CommandFailed("not confirmed: nothing was changed")


class Output:
    """Prints to one stream.

    Attributes:
        console: the console of rich.
        is_terminal: whether the stream is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        """Print to a stream.

        Raises:
            CommandFailed: rich is not installed.
        """
        try:
            from rich.console import Console
        except ModuleNotFoundError:
            raise CommandFailed(
                f"this command needs rich, which is not installed: {INSTALL}"
            ) from None
        self._stream = stream
        self.is_terminal = stream.isatty()
        self.console: Console = Console(
            file=stream,
            width=None if self.is_terminal else _PIPE_WIDTH,
            height=None if self.is_terminal else 25,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def line(self, text: Any = "") -> None:
        """Print a line without wrapping it, so that commands can be copied."""
        self._print(text, soft_wrap=True)

    def show(self, renderable: Any) -> None:
        """Print a table or a text, wrapped at the width of the terminal."""
        self._print(renderable, soft_wrap=False)

    def _print(self, renderable: Any, *, soft_wrap: bool) -> None:
        if self.is_terminal:
            self.console.print(renderable, soft_wrap=soft_wrap)
            return
        with self.console.capture() as captured:
            self.console.print(renderable, soft_wrap=soft_wrap)
        for line in io.StringIO(captured.get()):
            self._stream.write(f"{line.rstrip()}\n")


def count(number: int, thing: str, things: str = "") -> str:
    """Format a number of things, such as ``1 line`` and ``2 lines``."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def days_old(days: int) -> str:
    """Describe the age of something that was created: ``created today`` or ``3 days old``."""
    return f"{count(days, 'day')} old" if days else "created today"


def days_ago(days: int) -> str:
    """Describe when something happened: ``today`` or ``3 days ago``."""
    return f"{count(days, 'day')} ago" if days else "today"
