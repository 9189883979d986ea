"""Functions of other modules, replaced in a way that can be undone.

Whoever took hold of a replacement keeps it after it is undone, so each asks :attr:`Patches.on`
before it does anything of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MARK = "__openreplay_replaces__"
"""The attribute of a replacement."""

_INHERITED = object()


class Patches:
    """The replacements that are in place.

    Attributes:
        on: whether replacements do anything of their own.
        is_handing_on: whether new threads get the session of the work that starts them.
        level: the level from which log records are tagged.
    """

    def __init__(self) -> None:
        self.on = self.is_handing_on = False
        self.level = 0
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute by what is made of it, unless a replacement stands there already.

        Args:
            owner: a module or a class. One without such an attribute, or that cannot be changed,
                is left alone.
            name: the attribute.
            make: from the original to its replacement.
        """
        original = getattr(owner, name, None)
        if original is None or is_replacement(original):
            return
        replacement = make(original)
        setattr(replacement, MARK, True)
        is_own = name in vars(owner)
        try:
            setattr(owner, name, replacement)
        except (AttributeError, TypeError):
            # A class of C code.
            return
        before = [one for one in self._undo if one[0] is owner and one[1] == name]
        if len(before) > 1:
            # A program that sets a hook again and again: the first and the last can be undone.
            self._undo.remove(before[-1])
        self._undo.append((owner, name, original if is_own else _INHERITED, replacement))

    def undo(self) -> None:
        """Put every original back, except where somebody has replaced our replacement since."""
        self.on = self.is_handing_on = False
        self.level = 0
        for owner, name, original, replacement in reversed(self._undo):
            if getattr(owner, name, None) is not replacement:
                continue
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._undo.clear()


def is_replacement(value: object) -> bool:
    """Whether a value is a replacement of ours, also one of another copy of this package."""
    return hasattr(value, MARK)
