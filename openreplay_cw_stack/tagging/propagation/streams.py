"""The session tag on what is written to a stream directly, such as ``print(..., file=sys.stderr)``.

``print`` writes every argument, blank and line end by itself, and so do the functions that print
tracebacks. Each line is therefore put together first, by thread and session, and written in one
piece: no line has two tags, none is made of two writers' words. As with Python's own stderr a line
goes out when it is complete, or flushed. One that its writer left goes out with the session's end,
or after a minute.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import current_session, on_leaving
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.log_records import SettledText
from openreplay_cw_stack.tagging.propagation.patching import MARK, Patches
from openreplay_cw_stack.tagging.propagation.session import Session

_MAX_HELD = 65536
_MAX_HELD = 1000
"""Writers whose lines are held at once; then the one that has been idle for longest gives way."""
_IDLE_SECONDS = 60.0
_MAX_WAIT_SECONDS = 1.0
_Writer = tuple[int, int]
"""A thread and the identity of its session; 0 for nobody's."""
_Held = tuple[Session | None, str, float]
"""The session, the beginning of a line, and when its last piece came."""
_SETTLED: _Writer = (0, 0)
_streams: weakref.WeakSet[TaggingStream] = weakref.WeakSet()


class TaggingStream:
    """A text stream in front of another one, which tags the lines of whoever has a session.

    Everything but writing is the other stream's: its file descriptor, buffer, encoding, whether it
    is a terminal.

    Attributes:
        reports: the reports for which it stands there; None: it stays.
    """

    reports: int | None = None

    def __init__(self, stream: Any, patches: Patches) -> None:
        self._stream = stream
        self._patches = patches
        # Whose line is not at its end yet in the stream behind.
        self._open: _Writer | None = None
        # Kept, so that no other session can have its identity meanwhile.
        self._open_session: Session | None = None
        # In the order in which their writers were last seen.
        self._held: dict[_Writer, _Held] = {}
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
        if isinstance(text, SettledText):
            return self._write_settled(text)
        writer = _writer(session)
        with self._lock:
            _, held, _ = self._held.pop(writer, _NOTHING)
            line = held + text
            if "\n" in text or len(line) > _MAX_HELD:
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
        """Write what the writer at hand has of a line, and flush the stream."""
        self._put_held(_writer(current_session()))
        self._stream.flush()

    def detach(self) -> Any:
        """Write what is held of anybody's lines, and part the stream from its buffer."""
        self.put_back()
        return self._stream.detach()

    def close(self) -> None:
        """Write what is held of anybody's lines, and close the stream."""
        try:
            self.put_back()
        finally:
            self._stream.close()

    def end_line(self, session: Session, *, everywhere: bool) -> None:
        """Write and end the line that a session has begun in this thread.

        Args:
            session: the session whose work ends.
            everywhere: end lines that other threads left a second ago or longer, too.
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
        """Whether it belongs to these replacements."""
        return self._patches is patches

    def behind(self) -> Any:
        """The stream behind."""
        return self._stream

    def put_back(self) -> Any:
        """Write what is held of anybody's lines; the stream behind."""
        with self._lock:
            for writer in list(self._held):
                self._put_held(writer)
        return self._stream

    def retire(self) -> None:
        """Write what is held, and end the line: another stream goes on with the same file."""
        with self._lock:
            self.put_back()
            if self._open is not None:
                self._end_open(self._open)
        self._stream.flush()

    def before_fork(self) -> bool:
        """Let no thread be in the midst of a write when the process forks; whether it worked.

        The stream behind has a lock too, which would stay locked in the child for ever. A thread
        that does not finish its write is not waited for.
        """
        return self._lock.acquire(timeout=_MAX_WAIT_SECONDS)

    def after_fork_in_parent(self) -> None:
        """Let the other threads go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the parent writes what the parent holds."""
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
        with self._lock:
            session, line, _ = self._held.pop(writer, _NOTHING)
            if line:
                self._put(writer, session, line)

    def _end_open(self, writer: _Writer) -> None:
        if self._open == writer:
            self._stream.write("\n")
            self._open = None

    def _put_abandoned(self) -> None:
        """Write the beginnings of lines whose writers went away, such as threads that ended."""
        oldest = next(iter(self._held))
        is_idle = time.monotonic() - self._held[oldest][2] > _IDLE_SECONDS
        if is_idle or len(self._held) > _MAX_HELD:
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


# Also where another stream hands attributes on.
setattr(TaggingStream, MARK, True)
_NOTHING: _Held = (None, "", 0.0)


def _writer(session: Session | None) -> _Writer:
    return threading.get_ident(), 0 if session is None else id(session)


def _tagged(text: str, session: Session | None) -> str:
    return text if session is None else tag_text(text, session.tag)


def finish_streams() -> None:
    """Write everything that is held."""
    for stream in list(_streams):
        try:
            stream.put_back()
        except (OSError, ValueError):
            # The stream behind is full, closed, or parted from its buffer.
            counts.count(counts.FAILED_CLEANUPS)


def _end_lines(session: Session, everywhere: bool) -> None:
    for stream in list(_streams):
        stream.end_line(session, everywhere=everywhere)


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
