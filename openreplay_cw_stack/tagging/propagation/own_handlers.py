"""Tag the output of handlers that bypass ``logging.Handler.format``.

Programs and packages define their own handlers. Some call the formatter directly, or write the
message without formatting. Such a handler runs in the record's session, even if another session is
current, for example behind a ``MemoryHandler``. A tagging stream then tags its lines with the right
session. Text from its formatter is tagged too.
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
    """Prepare all classes of handlers: existing ones now, later ones with their first instance.

    Args:
        patches: the replacements.
        look_again: called when a handler is created, before its class is prepared.
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
        # An unrelated method of the same name takes other arguments.
        if method.__code__.co_varnames[: method.__code__.co_argcount] == ("self", "record"):
            # A mixin may also be used outside handlers, so leave it unchanged.
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
        # If the handler has no lock, another thread may have set the formatter already.
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
    """A wrapper for a formatter that a handler calls directly: it tags every line it returns."""

    def __init__(self, formatter: Any) -> None:
        self.__dict__["_formatter"] = formatter

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_formatter"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._formatter, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The class of the wrapped formatter, for handlers that check it."""
        return type(self._formatter)

    def format(self, record: logging.LogRecord) -> Any:
        """Format a record and tag the text with the record's session."""
        text = self._formatter.format(record)
        session = session_of_record(record)
        return text if session is None or not isinstance(text, str) else tag_text(text, session.tag)
