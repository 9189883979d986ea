"""Tag the output of rich's log handler.

The handler wraps a record into a table as wide as the terminal, or 80 characters without a
terminal. Each row becomes a log event. A tag in the record's message would be wrapped, coloured, or
parsed as markup, so the tag is added to each row after rendering.
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
    """The session of the record that each thread is writing."""

    session: Session | None = None


_writing = _Writing()


def patch_rich(patches: Patches) -> None:
    """Tag each row of a record; do nothing if rich's handler is not imported."""
    console = getattr(sys.modules.get("rich.console"), "Console", None)
    handler = getattr(sys.modules.get("rich.logging"), "RichHandler", None)
    # The patched emit removes the tag from the message, so it needs the patched _render_buffer.
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
            # Remove the session, so that Handler.format does not add the tag to the message.
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
