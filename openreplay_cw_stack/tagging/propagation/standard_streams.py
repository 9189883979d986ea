"""Wrap ``sys.stderr`` and ``sys.stdout``, and later replacements of them, in tagging streams.

Programs may replace stderr after the tagging is installed, for example to change its encoding. A
replacement that writes to the same file gets a tagging stream when work for a session next begins.
A replacement that writes elsewhere, such as ``contextlib.redirect_stderr(io.StringIO())``, is left
alone, except that the report of an uncaught exception is tagged.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.patching import Patches, is_replacement
from openreplay_cw_stack.tagging.propagation.streams import TaggingStream

# The last tagging stream by name. It may still hold text after the program has replaced it.
_in_front: dict[str, TaggingStream] = {}
_descriptors: dict[str, int] = {}
# Reentrant, because a report may start inside another one.
_lock = threading.RLock()


def patch_stream(patches: Patches, name: str) -> None:
    """Wrap ``sys.stderr`` or ``sys.stdout`` in a tagging stream, unless it is one already."""
    stream = getattr(sys, name, None)
    if stream is None or is_replacement(stream):
        return
    before = _in_front.get(name)
    if before is not None:
        _retire(before)
    _in_front[name] = TaggingStream(stream, patches)
    _descriptors[name] = _descriptor_of(stream)
    setattr(sys, name, _in_front[name])


def follow_stream(patches: Patches, name: str) -> None:
    """Wrap a replaced stream in a tagging stream, if it writes to the same file."""
    here, before = _descriptor_of(getattr(sys, name, None)), _descriptors.get(name, -1)
    with contextlib.suppress(OSError):
        if here >= 0 and before >= 0 and os.path.sameopenfile(here, before):
            patch_stream(patches, name)


def restore_streams(patches: Patches) -> None:
    """Restore the original streams."""
    for name in ("stderr", "stdout"):
        stream = getattr(sys, name, None)
        while isinstance(stream, TaggingStream) and stream.is_of(patches):
            stream = stream.behind()
            setattr(sys, name, stream)
    _in_front.clear()
    _descriptors.clear()


@contextlib.contextmanager
def tagging_stderr(patches: Patches) -> Iterator[None]:
    """Wrap ``sys.stderr`` in a tagging stream for a ``with`` block, wherever it writes.

    Several threads may report at once: the last one restores the stream.
    """
    with _lock:
        stream: Any = sys.stderr
        if stream is not None and not is_replacement(stream):
            stream = sys.stderr = TaggingStream(stream, patches)
            stream.reports = 0
        is_here = isinstance(stream, TaggingStream) and stream.reports is not None
        if is_here:
            stream.reports += 1
    try:
        yield
    finally:
        if is_here:
            _end_report(stream)


def _end_report(stream: Any) -> None:
    with _lock:
        stream.reports -= 1
        if not stream.reports:
            _retire(stream)
            is_still_there: bool = sys.stderr is stream
            if is_still_there:
                sys.stderr = stream.behind()


def _retire(stream: TaggingStream) -> None:
    try:
        stream.retire()
    except Exception:
        # The wrapped stream is full, closed, or detached.
        counts.count(counts.FAILED_CLEANUPS)


def _descriptor_of(stream: Any) -> int:
    """Return the file descriptor that a stream writes to; -1 without one."""
    try:
        descriptor = stream.fileno()
    except Exception:
        return -1
    return descriptor if isinstance(descriptor, int) else -1


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
