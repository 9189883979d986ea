"""The session tag on what the ``logging`` module writes.

A record remembers whose it is from the moment it is made, since it may be formatted elsewhere: in a
listener's thread, or by a handler that keeps records until another visitor's error. The tag is put
on the formatted text, whatever the formatter, in ``logging.Handler.format``, which every handler
calls, made before or after.

The record itself stays as its factory made it: of its class, and without a further attribute, which
formatters and error trackers would write. Its origin travels with its ``pathname``, and so with
every copy of the record. What comes without an origin, such as a record from a pickle, is nobody's.
"""

from __future__ import annotations

import copy
import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import (
    current_session,
    run_as,
    session_for,
    session_of_exception,
)
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session

_ATTRIBUTE = "_openreplay_session"


class _OriginPath(str):
    """A record's ``pathname`` that knows the record's session.

    It reads, compares, serialises and pickles as the plain text.
    """

    __slots__ = (_ATTRIBUTE,)

    def __copy__(self) -> _OriginPath:
        return self

    def __deepcopy__(self, _memo: object) -> _OriginPath:
        return self

    def __reduce_ex__(self, _protocol: object) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


class SettledText(str):
    """Text that has the tag it is to have, also where somebody else's work is at hand."""

    __slots__ = ()

    def __add__(self, other: str) -> SettledText:
        return SettledText(str.__add__(self, other))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def patch_logging(patches: Patches) -> None:
    """Have records remember their session, and handlers tag what they format."""
    patches.replace(logging.Logger, "makeRecord", functools.partial(_making, patches))
    patches.replace(logging.Logger, "handle", functools.partial(_handling, patches))
    patches.replace(logging.Handler, "format", functools.partial(tagging_format, patches))
    # What records are sent with, where it is used: its import takes its time.
    handlers = sys.modules.get("logging.handlers")
    sending = functools.partial(_sending, patches)
    patches.replace(getattr(handlers, "SocketHandler", None), "makePickle", sending)
    patches.replace(getattr(handlers, "HTTPHandler", None), "mapLogRecord", sending)


def _making(
    patches: Patches, original: Callable[..., logging.LogRecord]
) -> Callable[..., logging.LogRecord]:
    @functools.wraps(original)
    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = original(*args, **kwargs)
        if patches.on:
            _remember(record, patches.level)
        return record

    return make_record


def _handling(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    """For loggers that make their records by themselves."""
    log = logging.Logger._log.__code__

    @functools.wraps(original)
    def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
        # Anybody may hand over a record that was made elsewhere; Logger._log has just made it.
        if (
            patches.on
            and type(getattr(record, "pathname", None)) is str
            and sys._getframe(1).f_code is log
        ):
            _remember(record, patches.level)
        return original(logger, record)

    return handle


def tagging_format(
    patches: Patches, original: Callable[[logging.Handler, logging.LogRecord], str]
) -> Callable[[logging.Handler, logging.LogRecord], str]:
    """The ``format`` of handlers that puts the tag of the record's session into the text."""

    @functools.wraps(original)
    def format_record(handler: logging.Handler, record: logging.LogRecord) -> str:
        if not patches.on:
            return original(handler, record)
        session = session_of_record(record)
        if session is current_session():
            text = original(handler, record)
            return text if session is None else _tagged(text, session)
        text = _tagged(run_as(session, original, handler, record), session)
        # A stream that belongs to the work at hand must not add a tag of its own.
        return SettledText(text) if isinstance(text, str) else text

    return format_record


def _sending(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    """For handlers that send the record itself."""

    @functools.wraps(original)
    def send(handler: Any, record: logging.LogRecord) -> Any:
        return original(handler, _with_tag(record) if patches.on else record)

    return send


def _with_tag(record: logging.LogRecord) -> logging.LogRecord:
    """A record whose message has the tag."""
    session = session_of_record(record)
    if session is None:
        return record
    tagged = copy.copy(record)
    tagged.msg, tagged.args = tag_text(record.getMessage(), session.tag), None
    return tagged


def _tagged(text: str, session: Session | None) -> str:
    if session is None:
        return text
    if not isinstance(text, str):
        counts.count(counts.UNTAGGED_TEXTS)
        return text
    return tag_text(text, session.tag)


def session_of_record(record: logging.LogRecord) -> Session | None:
    """The session in which a record was made; None: nobody's, or not known."""
    path = getattr(record, "pathname", None)
    # The path may be of another copy of this package, as after a reload.
    session: Session | None = None if type(path) is str else getattr(path, _ATTRIBUTE, None)
    return session


def _remember(record: logging.LogRecord, level: int) -> None:
    """Note whose a new record is; the application's logging goes on whatever its factory made.

    A record below the level is nobody's.
    """
    try:
        if record.levelno < level:
            return
        session = _session_of_new(record) if record.exc_info else current_session()
        if session is None or type(record.pathname) is not str:
            return
        origin = _OriginPath(record.pathname)
        origin._openreplay_session = session  # type: ignore[attr-defined]
        record.pathname = origin
    except Exception:
        counts.count(counts.UNTAGGED_TEXTS)


def _session_of_new(record: logging.LogRecord) -> Session | None:
    exc_info: Any = record.exc_info
    exc = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) == 3 else None
    if not isinstance(exc, BaseException):
        return current_session()
    # asyncio reports exceptions that nobody retrieved wherever it finds them, in the midst of
    # another visitor's work.
    return session_of_exception(exc) if record.name == "asyncio" else session_for(exc)
