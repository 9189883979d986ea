"""Tag direct writes to a stream, such as ``print(..., file=sys.stderr)``.

``print`` writes each argument, blank and line end separately, as do the functions that print
tracebacks. The pieces of a line are therefore buffered per thread and session, and the line is
written at once, so no line has two tags or text of two writers. A line is written when it is
complete or flushed, as with Python's own stderr. An incomplete line is written when its session or
the process ends, or after a minute. This also applies where Python does not buffer (``python -u``).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import current_session, on_leaving
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.log_records import SettledText
from openreplay_cw_stack.tagging.propagation.patching import MARK, Patches
from openreplay_cw_stack.tagging.propagation.session import Session

_MAX_HELD_CHARACTERS = 65536
_MAX_HELD_WRITERS = 1000
"""The number of writers whose lines are buffered; beyond it, the longest idle one is written."""
_IDLE_SECONDS = 60.0
_MAX_WAIT_SECONDS = 1.0
_Writer = tuple[int, int]
"""A thread id and the ``id()`` of its session; 0 without a session."""
_Held = tuple[Session | None, str, float]
"""The session, the beginning of a line, and the time of its last piece."""
_SETTLED: _Writer = (0, 0)
_streams: weakref.WeakSet[TaggingStream] = weakref.WeakSet()


class TaggingStream:
    """A text stream that wraps another one and tags lines with the current session.

    Only writing differs. The file descriptor, buffer, encoding and ``isatty`` are those of the
    wrapped stream.

    Attributes:
        reports: the number of reports that use the wrapper; None if it is permanent.
    """

    reports: int | None = None

    def __init__(self, stream: Any, patches: Patches) -> None:
        self._stream = stream
        self._patches = patches
        # The writer of the incomplete line in the wrapped stream.
        self._open: _Writer | None = None
        # A reference, so that no other session can get the same id() meanwhile.
        self._open_session: Session | None = None
        # Ordered by each writer's last write.
        self._held: dict[_Writer, _Held] = {}
        # Reentrant, because a signal handler may write during a write.
        self._lock = threading.RLock()
        _streams.add(self)

    def __getattr__(self, name: str) -> Any:
        # While copy creates the object, it has no stream yet.
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
        self.put_back()
        self._stream.__exit__(*exc_info)

    def write(self, text: str) -> int:
        """Write text and return the number of its characters."""
        session = current_session()
        if not isinstance(text, str) or not self._patches.on:
            written: int = self._stream.write(text)
            return written
        if isinstance(text, SettledText):
            return self._write_settled(text)
        writer = _writer(session)
        with self._lock:
            _, held, _ = self._held.pop(writer, _NOTHING)
            line = held + text
            if "\n" in text or len(line) > _MAX_HELD_CHARACTERS:
                self._put(writer, session, line)
            elif line:
                self._held[writer] = (session, line, time.monotonic())
            if self._held:
                self._put_abandoned()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one text after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write the current writer's incomplete line, and flush the stream."""
        self._put_held(_writer(current_session()))
        self._stream.flush()

    def detach(self) -> Any:
        """Write all buffered lines, and detach the stream from its buffer."""
        self.put_back()
        return self._stream.detach()

    def close(self) -> None:
        """Write all buffered lines, and close the stream."""
        try:
            self.put_back()
        finally:
            self._stream.close()

    def end_line(self, session: Session, *, everywhere: bool) -> None:
        """Write and end a session's incomplete line in this thread.

        Args:
            session: the session whose work ends.
            everywhere: also end the session's lines in other threads that have been idle for a
                second or longer.
        """
        writer = _writer(session)
        if not self._held and self._open != writer:
            return
        now = time.monotonic()
        with self._lock:
            for one, (_, _, seen) in list(self._held.items()):
                is_left = everywhere and one[1] == writer[1] and now - seen > _MAX_WAIT_SECONDS
                if one == writer or is_left:
                    self._put_held(one)
                    self._end_open(one)
            self._end_open(writer)

    def is_of(self, patches: Patches) -> bool:
        """Return whether the stream belongs to these replacements."""
        return self._patches is patches

    def behind(self) -> Any:
        """Return the wrapped stream."""
        return self._stream

    def put_back(self) -> Any:
        """Write all buffered lines and return the wrapped stream."""
        with self._lock:
            for writer in list(self._held):
                self._put_held(writer)
        return self._stream

    def retire(self) -> None:
        """Write all buffered lines and end the last one: another stream now uses the same file."""
        with self._lock:
            self.put_back()
            if self._open is not None:
                self._end_open(self._open)
        self._stream.flush()

    def lock(self) -> bool:
        """Lock the stream, so that no thread writes; return whether this succeeded.

        The wrapped stream has its own lock, which would stay locked in a forked child forever. The
        lock has a timeout, because another thread's write may never end.
        """
        return self._lock.acquire(timeout=_MAX_WAIT_SECONDS)

    def unlock(self) -> None:
        """Unlock the stream for the other threads."""
        self._lock.release()

    def finish(self) -> None:
        """Write all buffered lines, or none if another thread's write does not finish."""
        if self._held and self.lock():
            try:
                self.put_back()
            finally:
                self.unlock()

    def after_fork_in_child(self) -> None:
        """Reset the stream: the parent writes the lines it has buffered."""
        self._lock = threading.RLock()
        self._held = {}

    def _write_settled(self, text: str) -> int:
        with self._lock:
            if self._open is not None and self._open != _SETTLED:
                self._stream.write("\n")
            written: int = self._stream.write(str(text))
            if text:
                self._open = None if text.endswith("\n") else _SETTLED
        return written

    def _put_held(self, writer: _Writer) -> None:
        if writer not in self._held:
            return
        with self._lock:
            session, line, _ = self._held.pop(writer, _NOTHING)
            if line:
                self._put(writer, session, line)

    def _end_open(self, writer: _Writer) -> None:
        if self._open == writer:
            self._stream.write("\n")
            self._open = None

    def _put_abandoned(self) -> None:
        """Write incomplete lines of idle writers, such as threads that have ended."""
        oldest = next(iter(self._held))
        is_idle = time.monotonic() - self._held[oldest][2] > _IDLE_SECONDS
        if is_idle or len(self._held) > _MAX_HELD_WRITERS:
            self._put_held(oldest)

    def _put(self, writer: _Writer, session: Session | None, text: str) -> None:
        self._stream.write(self._lines(writer, session, text))
        ended = text.endswith("\n")
        self._open, self._open_session = (None, None) if ended else (writer, session)

    def _lines(self, writer: _Writer, session: Session | None, text: str) -> str:
        if self._open == writer:
            # The first line has its tag already.
            rest, newline, lines = text.partition("\n")
            return rest + newline + _tagged(lines, session)
        return ("" if self._open is None else "\n") + _tagged(text, session)


# On the class, so that a stream that forwards attributes is also recognised.
setattr(TaggingStream, MARK, True)
_NOTHING: _Held = (None, "", 0.0)


def _writer(session: Session | None) -> _Writer:
    return threading.get_ident(), 0 if session is None else id(session)


def _tagged(text: str, session: Session | None) -> str:
    return text if session is None else tag_text(text, session.tag)


def finish_streams() -> None:
    """Write all buffered lines of all streams."""
    _clean_up(TaggingStream.finish)


def _end_lines(session: Session, everywhere: bool) -> None:
    _clean_up(lambda stream: stream.end_line(session, everywhere=everywhere))


def _clean_up(finish: Callable[[TaggingStream], object]) -> None:
    for stream in list(_streams):
        try:
            finish(stream)
        except Exception:
            # The wrapped stream is full, closed, or detached. The others still write their lines.
            counts.count(counts.FAILED_CLEANUPS)


# Per thread, because several threads may fork at once; each waits until the others have forked.
_forking = threading.local()


def _before_fork() -> None:
    # A fixed order prevents a deadlock between two forking threads.
    streams = sorted(_streams, key=id)
    _forking.streams = [stream for stream in streams if stream.lock()]


def _after_fork_in_parent() -> None:
    for stream in _forking.streams:
        stream.unlock()
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
