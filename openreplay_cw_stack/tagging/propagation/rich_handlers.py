"""The session tag on what rich's log handler writes.

It folds a record into a table as wide as the terminal, of 80 characters where there is none, and
each row is a log event. A tag in the record's message would be folded as well, coloured, or taken
for markup. The tag is put in front of each row instead, when all of that is done.
"""

from __future__ import annotations

import copy
import functools
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import run_as
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.log_records import session_of_record
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session


class _Writing(threading.local):
    """The session whose record a thread writes just now."""

    session: Session | None = None


_writing = _Writing()


def patch_rich(patches: Patches) -> None:
    """Have each row of a record tagged; nothing where nobody has imported rich's handler."""
    console = getattr(sys.modules.get("rich.console"), "Console", None)
    handler = getattr(sys.modules.get("rich.logging"), "RichHandler", None)
    # Without the one, the other would take the tag away.
    if hasattr(console, "_render_buffer"):
        patches.replace(console, "_render_buffer", functools.partial(_rendering, patches))
        patches.replace(handler, "emit", functools.partial(_emitting, patches))


def _emitting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def emit(handler: Any, record: logging.LogRecord) -> None:
        if not patches.on:
            return original(handler, record)
        session = session_of_record(record)
        if session is not None:
            # Of nobody: else Handler.format would put the tag into the message.
            record = copy.copy(record)
            record.pathname = str.__str__(record.pathname)
        before, _writing.session = _writing.session, session
        try:
            return run_as(session, original, handler, record)
        finally:
            _writing.session = before

    return emit


def _rendering(patches: Patches, original: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(original)
    def render_buffer(console: Any, buffer: Any) -> str:
        text = original(console, buffer)
        session = _writing.session if patches.on else None
        return text if session is None else tag_text(text, session.tag)

    return render_buffer
