"""Switching the tagging of everything a process writes on and off."""

from __future__ import annotations

import atexit
import threading

from openreplay_cw_stack.tagging.propagation.log_records import patch_logging
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.streams import finish_streams, patch_stream
from openreplay_cw_stack.tagging.propagation.tracebacks import patch_traceback
from openreplay_cw_stack.tagging.propagation.uncaught import patch_hooks

_patches = Patches()
_lock = threading.RLock()


def install(*, stdout: bool = False) -> None:
    """Tag what this process writes while it works for a visitor's session.

    From here on every line has the tag once that is written through ``logging`` (whichever the
    formatter, and whenever the handler was made), to ``sys.stderr``, by ``traceback.print_*`` and
    ``format_*``, by ``warnings``, and about exceptions that nobody caught. A JSON object gets it in
    its message. Work without a session writes as before.

    Calling it again changes nothing but what has come since: a module imported later (asyncio), a
    stream that somebody has put in the place of ours, ``stdout``.

    Args:
        stdout: tag ``sys.stdout`` as well; for programs that print their errors there. Not where
            stdout is a program's result.
    """
    with _lock:
        _patches.on = True
        patch_logging(_patches)
        patch_traceback(_patches)
        patch_hooks(_patches)
        patch_stream(_patches, "stderr")
        if stdout:
            patch_stream(_patches, "stdout")


def uninstall() -> None:
    """Put everything back. What others took hold of meanwhile does nothing from here on."""
    with _lock:
        finish_streams()
        _patches.undo()


atexit.register(finish_streams)
