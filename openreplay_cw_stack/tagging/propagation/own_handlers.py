"""The session tag on what handlers write that do not go through ``logging.Handler.format``.

Programs and packages write handlers of their own. Some format a record by themselves, or write its
message as it is. Such a handler works for the record's session, also where another visitor's work
is at hand, as behind a ``MemoryHandler``: a tagging stream beneath it knows whose its lines are.
The text that it has its formatter make is tagged as well.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_as
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.log_records import session_of_record, tagging_format
from openreplay_cw_stack.tagging.propagation.patching import Patches

_STANDARD = ("logging", "logging.handlers")


def patch_own_handlers(patches: Patches, look_again: Callable[[], None]) -> None:
    """Prepare the classes of handlers: the ones that are there, and others with their first object.

    Args:
        patches: the replacements.
        look_again: called when a handler is made, before its class is prepared.
    """
    for cls in _subclasses(logging.Handler):
        _prepare(patches, cls)
    patches.replace(logging.Handler, "__init__", functools.partial(_making, patches, look_again))


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for one in cls.__subclasses__():
        yield one
        yield from _subclasses(one)


def _making(
    patches: Patches, look_again: Callable[[], None], original: Callable[..., None]
) -> Callable[..., None]:
    @functools.wraps(original)
    def make(handler: logging.Handler, *args: Any, **kwargs: Any) -> None:
        original(handler, *args, **kwargs)
        if patches.on:
            look_again()
            _prepare(patches, type(handler))

    return make


def _prepare(patches: Patches, cls: type[Any]) -> None:
    for name, make in (("emit", _emitting), ("format", tagging_format)):
        owner = next((one for one in cls.__mro__ if name in vars(one)), object)
        method = vars(owner).get(name)
        if owner.__module__ in _STANDARD or not inspect.isfunction(method):
            continue
        # Something else of that name takes other arguments.
        if method.__code__.co_varnames[: method.__code__.co_argcount] == ("self", "record"):
            # A class beside the handlers may be of use elsewhere.
            is_handler = issubclass(owner, logging.Handler)
            patches.replace(owner if is_handler else cls, name, functools.partial(make, patches))


def _emitting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    code = getattr(inspect.unwrap(original), "__code__", None)
    formats_by_itself = "formatter" in getattr(code, "co_names", ())

    @functools.wraps(original)
    def emit(self: Any, record: logging.LogRecord) -> None:
        if not patches.on:
            return original(self, record)
        session = session_of_record(record)
        formatter = getattr(self, "formatter", None)
        is_formatter = isinstance(formatter, logging.Formatter)
        # Another thread may be in here, too, where a handler has no lock.
        is_tagging = type(formatter) is TaggingFormatter
        if session is None or not formats_by_itself or not is_formatter or is_tagging:
            return _as(session, original, self, record)
        self.formatter = TaggingFormatter(formatter)
        try:
            return _as(session, original, self, record)
        finally:
            self.formatter = formatter

    return emit


def _as(session: Any, original: Callable[..., None], handler: Any, record: Any) -> None:
    if session is current_session():
        return original(handler, record)
    return run_as(session, original, handler, record)


class TaggingFormatter:
    """A formatter, while a handler uses it by itself: every line that it returns has the tag."""

    def __init__(self, formatter: Any) -> None:
        self.__dict__["_formatter"] = formatter

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_formatter"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._formatter, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The class of the formatter, for handlers that look."""
        return type(self._formatter)

    def format(self, record: logging.LogRecord) -> Any:
        """The formatted record, of the record's session."""
        text = self._formatter.format(record)
        session = session_of_record(record)
        return text if session is None or not isinstance(text, str) else tag_text(text, session.tag)
