"""Tag the reports of uncaught exceptions, and warnings.

Python reports an exception after the session's work has ended, so the session comes from the
exception. The report is tagged even if the program has replaced ``sys.stderr``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_in
from openreplay_cw_stack.tagging.propagation.exceptions import session_for, session_of_exception
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.standard_streams import tagging_stderr


def prepare_hooks() -> None:
    """Import packages that check for Python's original hooks."""
    if sys.version_info < (3, 11):
        # The backport formats exception groups only if it finds the original hooks.
        with contextlib.suppress(ImportError):
            importlib.import_module("exceptiongroup")


def patch_hooks(patches: Patches) -> None:
    """Report uncaught exceptions in the session in which they were raised.

    Exceptions that cannot be raised, such as in ``__del__``, may occur during any request. They get
    a tag only if the exception itself belongs to a session.
    """
    patches.replace(sys, "excepthook", functools.partial(_excepthook, patches))
    patches.replace(threading, "excepthook", functools.partial(_threading_excepthook, patches))
    patches.replace(sys, "unraisablehook", functools.partial(_unraisablehook, patches))
    # `warnings` writes this text. Applications may replace the public `formatwarning`.
    patches.replace(warnings, "_formatwarnmsg", functools.partial(_formatting_warnings, patches))


def _excepthook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def excepthook(exc_type: Any, exc: Any, traceback: Any, /) -> None:
        session = session_for(exc) if patches.on else current_session()
        _report(patches, session, original, exc_type, exc, traceback)

    return excepthook


def _threading_excepthook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def excepthook(args: Any, /) -> None:
        session = session_for(args.exc_value) if patches.on else current_session()
        _report(patches, session, original, args)

    return excepthook


def _unraisablehook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def unraisablehook(unraisable: Any, /) -> None:
        known = session_of_exception(unraisable.exc_value) if patches.on else current_session()
        _report(patches, known, original, unraisable)

    return unraisablehook


def _report(
    patches: Patches, session: Session | None, original: Callable[..., None], *args: Any
) -> None:
    if session is None or not patches.on:
        return run_in(session, original, *args)
    with tagging_stderr(patches):
        return run_in(session, original, *args)


def _formatting_warnings(patches: Patches, original: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(original)
    def format_warning(message: Any) -> str:
        text = original(message)
        session = current_session() if patches.on else None
        return text if session is None else tag_text(text, session.tag)

    return format_warning
