"""Replace functions of other modules, and undo it.

Other code may keep a reference to a replacement after the undo. Each replacement therefore checks
:attr:`Patches.on` before it does more than call the original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MARK = "__openreplay_replaces__"
"""The attribute that marks a replacement."""

_INHERITED = object()


class Patches:
    """The replacements that are in place.

    Attributes:
        on: whether replacements do more than call the originals.
        is_handing_on: whether new threads get the session that starts them.
        level: the level from which log records are tagged.
    """

    def __init__(self) -> None:
        self.on = self.is_handing_on = False
        self.level = 0
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute, unless it is already a replacement.

        Args:
            owner: a module or a class. If it lacks the attribute, or cannot be changed, nothing
                happens.
            name: the attribute.
            make: takes the original and returns its replacement.
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
            # A class implemented in C.
            return
        before = [one for one in self._undo if one[0] is owner and one[1] == name]
        if len(before) > 1:
            # The program sets a hook repeatedly: keep only the first and the last for the undo.
            self._undo.remove(before[-1])
        self._undo.append((owner, name, original if is_own else _INHERITED, replacement))

    def undo(self) -> None:
        """Restore every original, unless other code has replaced the replacement since."""
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
    """Return whether a value is a replacement, of this or another copy of this package."""
    return hasattr(value, MARK)
