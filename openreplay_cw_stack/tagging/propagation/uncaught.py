"""The session tag on reports of exceptions that nobody caught, and on warnings.

Exceptions are reported when the work for the session has ended already; whose they are is known
from the exception. The tag does not depend on what stands in ``sys.stderr`` by then.
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

from openreplay_cw_stack.tagging.propagation.context import (
    current_session,
    run_in,
    session_for,
    session_of_exception,
)
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.standard_streams import tagging_stderr


def prepare_hooks() -> None:
    """Import what has to meet Python's own hooks."""
    if sys.version_info < (3, 11):
        # The backport of exception groups formats them only then.
        with contextlib.suppress(ImportError):
            importlib.import_module("exceptiongroup")


def patch_hooks(patches: Patches) -> None:
    """Have uncaught exceptions reported as part of the work that they come from.

    Of exceptions that cannot be raised, as in ``__del__``, only the ones that are known to be a
    session's get its tag: they are met in the midst of anybody's work.
    """
    patches.replace(sys, "excepthook", functools.partial(_excepthook, patches))
    patches.replace(threading, "excepthook", functools.partial(_threading_excepthook, patches))
    patches.replace(sys, "unraisablehook", functools.partial(_unraisablehook, patches))
    # What `warnings` writes; `formatwarning` is the application's to replace.
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
