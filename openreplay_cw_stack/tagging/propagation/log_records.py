"""Tag the output of the ``logging`` module.

A record keeps the session in which it was created, because it may be formatted elsewhere: in a
listener's thread, or by a handler that buffers records until another visitor's error. The tag is
added to the formatted text in ``logging.Handler.format``, which handlers call whether they were
created before or after the tagging.

The record keeps its class and gets no new attribute, because formatters and error trackers would
write it. The session travels in the record's ``pathname``, and so with every copy of the record. A
record without it, such as one from a pickle, has no session.
"""

from __future__ import annotations

import copy
import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import current_session, run_as
from openreplay_cw_stack.tagging.propagation.exceptions import session_for, session_of_exception
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches, is_replacement
from openreplay_cw_stack.tagging.propagation.session import Session

_ATTRIBUTE = "_openreplay_session"


class _OriginPath(str):
    """A record's ``pathname`` that holds the record's session.

    It reads, compares, serialises and pickles like a plain string.
    """

    __slots__ = (_ATTRIBUTE,)

    def __copy__(self) -> _OriginPath:
        return self

    def __deepcopy__(self, _memo: object) -> _OriginPath:
        return self

    def __reduce_ex__(self, _protocol: object) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


class SettledText(str):
    """Text that is already tagged or must stay untagged, even if another session is current."""

    __slots__ = ()

    def __add__(self, other: str) -> SettledText:
        return SettledText(str.__add__(self, other))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def patch_logging(patches: Patches) -> None:
    """Make records keep their session, and handlers tag the text they format."""
    patches.replace(logging.Logger, "makeRecord", functools.partial(_making, patches))
    patches.replace(logging.Logger, "handle", functools.partial(_handling, patches))
    patches.replace(logging.Handler, "format", functools.partial(tagging_format, patches))
    # Only if the program has imported the module: its import is slow.
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
    """Replace ``Logger.handle``, for loggers that override ``makeRecord``."""
    log = logging.Logger._log.__code__

    @functools.wraps(original)
    def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
        # Other callers may pass a record created elsewhere; Logger._log has just created this one.
        if (
            patches.on
            and not is_replacement(logger.makeRecord)
            and type(getattr(record, "pathname", None)) is str
            and sys._getframe(1).f_code is log
        ):
            _remember(record, patches.level)
        return original(logger, record)

    return handle


def tagging_format(
    patches: Patches, original: Callable[[logging.Handler, logging.LogRecord], str]
) -> Callable[[logging.Handler, logging.LogRecord], str]:
    """Replace a handler's ``format`` to add the tag of the record's session to the text."""

    @functools.wraps(original)
    def format_record(handler: logging.Handler, record: logging.LogRecord) -> str:
        if not patches.on:
            return original(handler, record)
        session = session_of_record(record)
        if session is current_session():
            text = original(handler, record)
            return text if session is None else _tagged(text, session)
        text = _tagged(run_as(session, original, handler, record), session)
        # A tagging stream must not add the tag of the current session.
        return SettledText(text) if isinstance(text, str) else text

    return format_record


def _sending(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    """Replace a method of handlers that send the record itself."""

    @functools.wraps(original)
    def send(handler: Any, record: logging.LogRecord) -> Any:
        return original(handler, _with_tag(record) if patches.on else record)

    return send


def _with_tag(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy of a record whose message has the tag; without a session, the record."""
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
    """Return the session in which a record was created; None without one, or if it is unknown."""
    path = getattr(record, "pathname", None)
    # The path may come from another copy of this package, for example after a reload.
    session: Session | None = None if type(path) is str else getattr(path, _ATTRIBUTE, None)
    return session


def _remember(record: logging.LogRecord, level: int) -> None:
    """Store the session in a new record, unless it is below the level.

    Never raises, whatever the program's record factory returns.
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
    # asyncio reports an unretrieved exception when it finds it, possibly during another visitor's
    # request.
    return session_of_exception(exc) if record.name == "asyncio" else session_for(exc)
