"""The session tag on what is written to a stream directly, such as ``print(..., file=sys.stderr)``.

``print`` writes every argument, blank and line end by itself, and so do the functions that print
tracebacks. Each line is therefore put together first, by thread and session, and written in one
piece: no line has two tags, none is made of two visitors' words. As with Python's own stderr a line
goes out when it is complete, or flushed.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, on_leaving
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.log_records import SettledText
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session

_LONGEST_HELD = 65536
_LONGEST_WAIT_SECONDS = 1.0
_Writer = tuple[int, int]
_NOBODY: _Writer = (0, 0)
_streams: weakref.WeakSet[TaggingStream] = weakref.WeakSet()


class TaggingStream:
    """A text stream in front of another one, which tags the lines of whoever has a session.

    Everything but writing is the other stream's: its file descriptor, buffer, encoding, whether it
    is a terminal. Writers without a session write straight to it.
    """

    def __init__(self, stream: Any, patches: Patches) -> None:
        self._stream = stream
        self._patches = patches
        # Whose line is not at its end yet in the stream behind.
        self._open: _Writer | None = None
        # Kept, so that no other session can have its identity meanwhile.
        self._open_session: Session | None = None
        self._held: dict[_Writer, tuple[Session, str]] = {}
        # Signal handlers may write in the midst of a write.
        self._lock = threading.RLock()
        _streams.add(self)

    def __getattr__(self, name: str) -> Any:
        # A copy that is being made has no stream yet.
        if name == "_stream":
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __repr__(self) -> str:
        return f"<TaggingStream in front of {self._stream!r}>"

    def __iter__(self) -> Any:
        return iter(self._stream)

    def __enter__(self) -> TaggingStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.flush()
        self._stream.__exit__(*exc_info)

    def write(self, text: str) -> int:
        """Write text; the number of its characters."""
        session = current_session()
        if not isinstance(text, str) or not self._patches.on:
            written: int = self._stream.write(text)
            return written
        if session is None or isinstance(text, SettledText):
            return self._write_as_it_is(text)
        writer = (threading.get_ident(), id(session))
        with self._lock:
            _, held = self._held.pop(writer, (session, ""))
            line = held + text
            if "\n" in text or len(line) > _LONGEST_HELD:
                self._put(writer, session, line)
            elif line:
                self._held[writer] = (session, line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one text after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what the writer at hand has of a line, and flush the stream."""
        session = current_session()
        if session is not None:
            self._put_held((threading.get_ident(), id(session)))
        self._stream.flush()

    def end_line(self, session: Session) -> None:
        """Write and end the line that a session has begun in this thread."""
        writer = (threading.get_ident(), id(session))
        if writer not in self._held and self._open != writer:
            return
        with self._lock:
            self._put_held(writer)
            if self._open == writer:
                self._stream.write("\n")
                self._open = None

    def put_back(self) -> Any:
        """Write what is held of anybody's lines; the stream behind."""
        with self._lock:
            for writer in list(self._held):
                self._put_held(writer)
        return self._stream

    def before_fork(self) -> bool:
        """Let no thread be in the midst of a write when the process forks; whether it worked.

        The stream behind has a lock too, which would stay locked in the child for ever. A thread
        that does not finish its write is not waited for.
        """
        return self._lock.acquire(timeout=_LONGEST_WAIT_SECONDS)

    def after_fork_in_parent(self) -> None:
        """Let the other threads go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the parent writes what the parent holds."""
        self._lock = threading.RLock()
        self._held = {}

    def _write_as_it_is(self, text: str) -> int:
        with self._lock:
            if self._open is not None and self._open != _NOBODY:
                self._stream.write("\n")
            written: int = self._stream.write(str(text))
            if text:
                self._open = None if text.endswith("\n") else _NOBODY
        return written

    def _put_held(self, writer: _Writer) -> None:
        with self._lock:
            session, line = self._held.pop(writer, (None, ""))
            if session is not None:
                self._put(writer, session, line)

    def _put(self, writer: _Writer, session: Session, text: str) -> None:
        self._stream.write(self._lines(writer, session.tag, text))
        ended = text.endswith("\n")
        self._open, self._open_session = (None, None) if ended else (writer, session)

    def _lines(self, writer: _Writer, tag: str, text: str) -> str:
        if self._open == writer:
            # The first line has its tag already.
            rest, newline, lines = text.partition("\n")
            return rest + newline + tag_text(lines, tag)
        return ("" if self._open is None else "\n") + tag_text(text, tag)


def patch_stream(patches: Patches, name: str) -> None:
    """Put a tagging stream in front of ``sys.stderr`` or ``sys.stdout``, where there is none."""
    patches.replace(sys, name, lambda stream: TaggingStream(stream, patches))


def finish_streams() -> None:
    """Write everything that is held."""
    for stream in list(_streams):
        stream.put_back()


def _end_lines(session: Session) -> None:
    for stream in list(_streams):
        stream.end_line(session)


# Several threads may fork at once, and each waits for the others' forks to be over.
_forking = threading.local()


def _before_fork() -> None:
    # In one order everywhere, or two of them would wait for each other.
    streams = sorted(_streams, key=id)
    _forking.streams = [stream for stream in streams if stream.before_fork()]


def _after_fork_in_parent() -> None:
    for stream in _forking.streams:
        stream.after_fork_in_parent()
    _forking.streams = []


def _after_fork_in_child() -> None:
    for stream in list(_streams):
        stream.after_fork_in_child()
    _forking.streams = []


on_leaving(_end_lines)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
