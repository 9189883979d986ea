"""The session tag on what the ``logging`` module writes.

A record remembers whose it is from the moment it is made, since it may be formatted elsewhere: in a
listener's thread, or by a handler that keeps records until another visitor's error. The tag is put
on the formatted text, whatever the formatter, in ``logging.Handler.format``, which every handler
calls, made before or after.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import (
    current_session,
    run_in,
    session_for,
    session_of_exception,
)
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches, is_replacement
from openreplay_cw_stack.tagging.propagation.session import Session

_SLOT = "_openreplay_session"
_elsewhere: WeakKeyDictionary[logging.LogRecord, Session | None] = WeakKeyDictionary()
_UNKNOWN = object()
_Factory = Callable[..., logging.LogRecord]


class SettledText(str):
    """Text that has the tag it is to have, also where somebody else's work is at hand."""

    __slots__ = ()

    def __add__(self, other: str) -> SettledText:
        return SettledText(str.__add__(self, other))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def patch_logging(patches: Patches) -> None:
    """Have records remember their session, and handlers tag what they format."""
    patches.replace(logging, "setLogRecordFactory", functools.partial(_setter, patches))
    patches.replace(logging, "_logRecordFactory", functools.partial(_remembering, patches))
    patches.replace(logging.Handler, "format", functools.partial(_tagging, patches))


def _setter(patches: Patches, original: Callable[[_Factory], None]) -> Callable[[_Factory], None]:
    """``logging.setLogRecordFactory`` for factories that are set later on."""

    @functools.wraps(original)
    def set_log_record_factory(factory: _Factory) -> None:
        if patches.on and not is_replacement(factory):
            factory = _remembering(patches, factory)
        original(factory)

    return set_log_record_factory


def _tagging(
    patches: Patches, original: Callable[[logging.Handler, logging.LogRecord], str]
) -> Callable[[logging.Handler, logging.LogRecord], str]:
    current_session_, unknown = current_session, _UNKNOWN

    @functools.wraps(original)
    def tagging_format(handler: logging.Handler, record: logging.LogRecord) -> str:
        current = current_session_()
        session: Any = getattr(record, "_openreplay_session", unknown)
        if session is unknown:
            session = _session_kept(record, current)
        if session is current:
            text = original(handler, record)
            return text if session is None or not patches.on else _tagged(text, session)
        if not patches.on:
            return original(handler, record)
        text = _tagged(run_in(session, original, handler, record), session)
        # A stream that belongs to the work at hand must not add a tag of its own.
        return SettledText(text) if isinstance(text, str) else text

    return tagging_format


def _tagged(text: str, session: Session | None) -> str:
    if session is None:
        return text
    if not isinstance(text, str):
        counts.count(counts.UNTAGGED_TEXTS)
        return text
    return tag_text(text, session.tag)


def _session_kept(record: logging.LogRecord, current: Session | None) -> Session | None:
    try:
        return _elsewhere.get(record, current)
    except TypeError:
        return current


def _session_of_new(record: logging.LogRecord) -> Session | None:
    exc_info: Any = record.exc_info
    exc = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) == 3 else None
    if not isinstance(exc, BaseException):
        return current_session()
    # asyncio reports exceptions that nobody retrieved wherever it finds them, in the midst of
    # another visitor's work.
    return session_of_exception(exc) if record.name == "asyncio" else session_for(exc)


def _remembering(patches: Patches, factory: _Factory) -> _Factory:
    if isinstance(factory, type):
        return _remembering_class(factory)

    @functools.wraps(factory)
    def remembering(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        if patches.on and not hasattr(record, _SLOT):
            # One that cannot be referred to weakly is tagged when it is formatted.
            with contextlib.suppress(TypeError):
                _elsewhere[record] = _session_of_new(record)
        return record

    return remembering


def _remembering_class(factory: type[logging.LogRecord]) -> type[logging.LogRecord]:
    """A record's class with the session in a slot, where no formatter takes it for a field."""
    # Every record of the process passes here: no look-up that is not needed.
    initialize, current = factory.__init__, current_session

    class RememberingLogRecord(factory):  # type: ignore[misc,valid-type]
        __slots__ = (_SLOT,)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            initialize(self, *args, **kwargs)
            self._openreplay_session = _session_of_new(self) if self.exc_info else current()

        def __copy__(self) -> logging.LogRecord:
            copied = type(self).__new__(type(self))
            copied.__dict__.update(self.__dict__)
            setattr(copied, _SLOT, getattr(self, _SLOT, None))
            return copied

        def __reduce_ex__(self, protocol: Any) -> Any:
            # To other processes goes a record such as they know, whose text is tagged already.
            return copyreg._reconstructor, (factory, object, None), self.__dict__  # type: ignore[attr-defined]

    for name in ("__name__", "__qualname__", "__doc__"):
        setattr(RememberingLogRecord, name, getattr(factory, name))
    return RememberingLogRecord
