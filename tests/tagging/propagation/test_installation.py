from __future__ import annotations

import asyncio
import importlib
import io
import logging
import logging.handlers
import subprocess
import sys
import threading
import traceback
from typing import Any

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from openreplay_cw_stack.tagging.propagation.tracebacks import FORMATTING, PRINTING
from tests.tagging.propagation.visitors import ANNA, check_lines


def everything() -> dict[str, Any]:
    """Whatever the installation replaces."""
    return {
        **{name: getattr(traceback, name) for name in (*PRINTING, *FORMATTING)},
        "excepthook": sys.excepthook,
        "unraisablehook": sys.unraisablehook,
        "threading": threading.excepthook,
        "call_exception_handler": asyncio.BaseEventLoop.call_exception_handler,
        "create_task": asyncio.BaseEventLoop.create_task,
        "format": logging.Handler.format,
        "makeRecord": logging.Logger.makeRecord,
        "handle": logging.Logger.handle,
        "makePickle": logging.handlers.SocketHandler.makePickle,
        "mapLogRecord": logging.handlers.HTTPHandler.mapLogRecord,
        "stderr": sys.stderr,
        "stdout": sys.stdout,
    }


def test_it_is_undone(stderr: io.StringIO) -> None:
    before = everything()
    propagation.install()
    changed = {name for name, value in everything().items() if value is not before[name]}
    later = {"create_task"} if sys.version_info >= (3, 12) else set()
    assert changed == set(before) - {"stdout"} - later
    propagation.uninstall()
    assert everything() == before


def test_twice_is_once(installed: io.StringIO) -> None:
    once = everything()
    propagation.install()
    assert everything() == once
    propagation.uninstall()
    propagation.uninstall()
    propagation.install()
    with use_session(ANNA):
        print("error", file=sys.stderr)
    assert installed.getvalue() == f"{ANNA.tag} error\n"


def test_loaded_again(installed: io.StringIO) -> None:
    importlib.reload(propagation)
    propagation.install()
    with propagation.use_session(ANNA):
        print("error", file=sys.stderr)
    assert installed.getvalue() == f"{ANNA.tag} error\n"


def test_what_others_took_hold_of_does_nothing_afterwards(
    installed: io.StringIO, log: logging.Logger
) -> None:
    print_exc, format_exc, stream = traceback.print_exc, traceback.format_exc, sys.stderr
    handler_format, factory = logging.Handler.format, logging.getLogRecordFactory()
    propagation.uninstall()
    logging.setLogRecordFactory(factory)
    logging.Handler.format = handler_format  # type: ignore[method-assign]
    try:
        with use_session(ANNA):
            log.error("error")
            stream.write("error\n")
            try:
                raise KeyError("error")
            except KeyError:
                print_exc()
                assert ANNA.tag not in format_exc()
                log.exception("error")
    finally:
        logging.Handler.format = handler_format.__wrapped__  # type: ignore[method-assign,attr-defined]
    check_lines(installed.getvalue(), None)


def test_asyncio_is_not_imported_for_it() -> None:
    script = (
        "import sys; from openreplay_cw_stack.tagging import propagation; propagation.install();"
        "assert 'asyncio' not in sys.modules; import asyncio; propagation.install();"
        "assert hasattr(asyncio.BaseEventLoop.call_exception_handler, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
