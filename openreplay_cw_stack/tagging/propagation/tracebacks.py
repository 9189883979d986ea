"""Tag the output of the ``traceback`` module, printed and formatted."""

from __future__ import annotations

import functools
import inspect
import io
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import run_as
from openreplay_cw_stack.tagging.propagation.exceptions import session_for
from openreplay_cw_stack.tagging.propagation.lines import tag_text, without_tag
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session

PRINTING = (
    *("print_exception", "print_exc", "print_last", "print_tb", "print_stack", "print_list"),
)
FORMATTING = (
    *("format_exception", "format_exc", "format_exception_only", "format_tb", "format_stack"),
    "format_list",
)

STORING = frozenset({"billiard", "celery", "dramatiq", "huey", "rq"})
"""Packages that store a formatted traceback with a job's result, which must not hold the token."""


def patch_traceback(patches: Patches) -> None:
    """Tag every line that the functions of ``traceback`` print, to any file, or return.

    Tracebacks that a job queue stores with a result stay untagged; its log lines are tagged.
    """
    for name in PRINTING:
        patches.replace(traceback, name, functools.partial(_printing, patches))
    for name in FORMATTING:
        patches.replace(traceback, name, functools.partial(_formatting, patches))


def _printing(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)
    takes_frame = "f" in signature.parameters

    @functools.wraps(original)
    def tagging_print(*args: Any, **kwargs: Any) -> None:
        if takes_frame:
            args = _with_frame(args, kwargs, sys._getframe(1))
        session = _session_of_call(args, kwargs) if patches.on else None
        if session is None:
            return original(*args, **kwargs)
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return original(*args, **kwargs)
        file = call.arguments.get("file")
        text = io.StringIO()
        call.arguments["file"] = text
        run_as(session, original, *call.args, **call.kwargs)
        out = sys.stderr if file is None else file
        if out is not None:
            run_as(session, out.write, tag_text(text.getvalue(), session.tag))
        return None

    return tagging_print


def _formatting(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    takes_frame = "f" in inspect.signature(original).parameters

    @functools.wraps(original)
    def tagging_format(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1)
        if takes_frame:
            args = _with_frame(args, kwargs, caller)
        session = _session_of_call(args, kwargs) if patches.on else None
        formatted = original(*args, **kwargs)
        if session is None:
            return formatted
        # One of these functions may call another, which has already added the tag.
        put = without_tag if _is_storing(caller) else tag_text
        if isinstance(formatted, str):
            return put(formatted, session.tag)
        return [put(part, session.tag) for part in formatted]

    return tagging_format


def _is_storing(caller: FrameType) -> bool:
    return str(caller.f_globals.get("__name__")).partition(".")[0] in STORING


def _with_frame(args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> tuple[Any, ...]:
    """Return the arguments; the caller's frame replaces a missing one."""
    if args:
        return (frame if args[0] is None else args[0], *args[1:])
    if kwargs.get("f") is None:
        kwargs["f"] = frame
    return ()


def _session_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Session | None:
    """Return the current session, or that of the exception in the arguments or in progress."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, BaseException):
            return session_for(value)
    return session_for(sys.exc_info()[1])
