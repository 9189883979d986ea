"""Write buffered lines in ``os._exit``, which calls no cleanup.

Python writes text to an unbuffered stream (``python -u``) at once. A tagging stream holds an
incomplete line, which would otherwise be lost.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import NoReturn

from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.streams import finish_streams


def patch_exit(patches: Patches) -> None:
    """Write all buffered lines before ``os._exit`` ends the process."""
    patches.replace(os, "_exit", functools.partial(_exiting, patches))


def _exiting(patches: Patches, original: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    @functools.wraps(original)
    def exit_at_once(status: int) -> NoReturn:
        try:
            if patches.on:
                finish_streams()
        finally:
            original(status)

    return exit_at_once
