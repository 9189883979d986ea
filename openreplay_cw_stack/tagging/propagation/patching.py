"""Functions of other modules, replaced in a way that can be undone.

Whoever took hold of a replacement keeps it after it is undone, so each asks :attr:`Patches.on`
before it does anything of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MARK = "__openreplay_replaces__"


class Patches:
    """The replacements that are in place.

    Attributes:
        on: whether replacements do anything of their own.
    """

    def __init__(self) -> None:
        self.on = False
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute by what is made of it, unless a replacement stands there already.

        Args:
            owner: a module or a class. One that has no such attribute is left alone.
            name: the attribute.
            make: from the original to its replacement.
        """
        original = getattr(owner, name, None)
        if original is None or is_replacement(original):
            return
        replacement = make(original)
        setattr(replacement, _MARK, True)
        setattr(owner, name, replacement)
        self._undo.append((owner, name, original, replacement))

    def undo(self) -> None:
        """Put every original back, except where somebody has replaced our replacement since."""
        self.on = False
        for owner, name, original, replacement in reversed(self._undo):
            if getattr(owner, name, None) is replacement:
                setattr(owner, name, original)
        self._undo.clear()


def is_replacement(value: object) -> bool:
    """Whether a value is a replacement of ours, also one of another copy of this package."""
    return hasattr(value, _MARK)
