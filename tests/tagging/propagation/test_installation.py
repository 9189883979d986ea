from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import io
import logging
import logging.handlers
import os
import subprocess
import sys
import threading
import traceback
import warnings
from typing import Any

import pytest

from openreplay_cw_stack.tagging import id_tag, judge, propagation
from openreplay_cw_stack.tagging.propagation import counts, installation, use_session
from openreplay_cw_stack.tagging.propagation.tracebacks import FORMATTING, PRINTING
from tests.tagging.propagation.visitors import ANNA, check_lines, headers_of


def everything() -> dict[str, Any]:
    """Whatever the installation replaces."""
    return {
        **{name: getattr(traceback, name) for name in (*PRINTING, *FORMATTING)},
        "excepthook": sys.excepthook,
        "unraisablehook": sys.unraisablehook,
        "threading": threading.excepthook,
        "start": threading.Thread.start,
        "submit": concurrent.futures.ThreadPoolExecutor.submit,
        "warnings": vars(warnings)["_formatwarnmsg"],
        "call_exception_handler": asyncio.BaseEventLoop.call_exception_handler,
        "create_task": asyncio.BaseEventLoop.create_task,
        "format": logging.Handler.format,
        "__init__": logging.Handler.__init__,
        "makeRecord": logging.Logger.makeRecord,
        "handle": logging.Logger.handle,
        "makePickle": logging.handlers.SocketHandler.makePickle,
        "mapLogRecord": logging.handlers.HTTPHandler.mapLogRecord,
        "_exit": os._exit,
        "stderr": sys.stderr,
        "stdout": sys.stdout,
    }


def test_it_is_undone(stderr: io.StringIO) -> None:
    before = everything()
    propagation.install()
    changed = {name for name, value in everything().items() if value is not before[name]}
    later = {"create_task"} if sys.version_info >= (3, 12) else set()
    assert changed == set(before) - {"stdout", "start", "submit"} - later
    propagation.install(stdout=True, threads=True)
    assert {name for name, value in everything().items() if value is before[name]} == later
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


class TestTheIdTag:
    def test_no_token_is_written(self, installed: io.StringIO, log: logging.Logger) -> None:
        propagation.install(tag="id")
        with use_session(ANNA):
            log.error("of anna")
            log.error('{"message": "of anna"}')
            print("of anna", file=sys.stderr)
            try:
                raise ValueError("of anna")
            except ValueError:
                log.exception("of anna")
                traceback.print_exc()
                print(traceback.format_exc(), file=sys.stderr)
            assert propagation.outgoing_headers() == headers_of(ANNA)
        written = installed.getvalue()
        assert str(ANNA.token) not in written
        for line in filter(str.strip, written.splitlines()):
            assert judge(line).session_id == ANNA.session_id
            assert line.count("openReplaySession.id") == 1
        assert f'{{"openReplaySession.id": "{ANNA.session_id}", "message": "of anna"}}' in written

    def test_installing_again_keeps_it(self, installed: io.StringIO) -> None:
        propagation.install(tag="id")
        importlib.import_module("openreplay_cw_stack.tagging.propagation.drop_in")
        propagation.install()
        propagation.install(stdout=False, level=logging.ERROR)
        assert current_tag_of(ANNA) == id_tag(ANNA.session_id)
        propagation.install(tag="token")
        assert current_tag_of(ANNA) == f"[openReplaySessionToken={ANNA.token}]"

    def test_it_is_forgotten_with_the_rest(self, installed: io.StringIO) -> None:
        propagation.install(tag="id")
        propagation.uninstall()
        assert current_tag_of(ANNA) == f"[openReplaySessionToken={ANNA.token}]"


def current_tag_of(session: propagation.Session) -> str:
    with use_session(session):
        return propagation.current_tag()


class TestTheLevel:
    def test_records_below_it_are_not_tagged(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        propagation.install(level=logging.WARNING)
        propagation.install()
        with use_session(ANNA):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
                log.log(level, "level %s", level)
        assert installed.getvalue().splitlines() == [
            "level 10",
            "level 20",
            f"{ANNA.tag} level 30",
            f"{ANNA.tag} level 40",
        ]

    def test_everything_else_is(self, installed: io.StringIO, log: logging.Logger) -> None:
        propagation.install(level="critical")
        with use_session(ANNA):
            print("printed", file=sys.stderr)
            try:
                raise ValueError("of anna")
            except ValueError:
                traceback.print_exc()
                sys.excepthook(*sys.exc_info())
        lines = check_lines(installed.getvalue(), ANNA)
        assert lines[0] == "printed"
        assert lines.count("ValueError: of anna") == 2

    def test_it_is_forgotten_with_the_rest(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        propagation.install(level=logging.CRITICAL)
        propagation.uninstall()
        propagation.install()
        with use_session(ANNA):
            log.debug("of anna")
        check_lines(installed.getvalue(), ANNA)


@pytest.mark.parametrize("wrong", [{"tag": "session"}, {"level": "loud"}])
def test_a_wrong_choice_changes_nothing(stderr: io.StringIO, wrong: Any) -> None:
    before = everything()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        propagation.install(**{"tag": "id", "level": 50, **wrong})
    assert everything() == before
    assert current_tag_of(ANNA) == f"[openReplaySessionToken={ANNA.token}]"


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


LATER = {
    "asyncio": "import asyncio; found = asyncio.BaseEventLoop.call_exception_handler",
    "logging.handlers": "import logging.handlers; "
    "found = logging.handlers.SocketHandler.makePickle",
    "rich": "import rich.logging; found = rich.logging.RichHandler.emit",
    "loguru": "import loguru._handler; found = loguru._handler.Handler.emit",
    "a handler": "import logging\n"
    "class Own(logging.Handler):\n"
    "    def emit(self, record): pass\n"
    "Own(); found = Own.emit",
    "a hook": "own = lambda *args: None; sys.excepthook = own; found = sys.excepthook",
}


@pytest.mark.parametrize("name", LATER)
def test_what_comes_later_is_found_when_work_begins(name: str) -> None:
    """And nothing is imported for it, which would take its time."""
    script = (
        "import sys\n"
        "from openreplay_cw_stack.tagging import propagation\n"
        "propagation.install()\n"
        "assert not {'asyncio', 'rich', 'loguru', 'concurrent'} & set(sys.modules)\n"
        f"{LATER[name].rpartition('found')[0]}\n"
        "with propagation.use_session_token(sys.argv[1]): pass\n"
        f"found{LATER[name].rpartition('found')[2]}\n"
        "assert hasattr(found, '__wrapped__'), found\n"
        "propagation.uninstall()\n"
        f"found{LATER[name].rpartition('found')[2]}\n"
        "assert not hasattr(found, '__wrapped__'), found\n"
    )
    subprocess.run([sys.executable, "-c", script, str(ANNA.token)], check=True)


def test_what_cannot_be_looked_at_does_not_stop_the_work(
    installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(io.StringIO):
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

        def fileno(self) -> int:
            raise RuntimeError

    monkeypatch.setattr(sys, "stderr", Odd())
    with use_session(ANNA) as session:
        assert session is ANNA
    monkeypatch.setattr(installation, "follow_stream", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with use_session(ANNA) as session:
        assert session is ANNA
    with counts._lock:
        assert counts._counts["untagged_texts"] > 0
        counts._counts["untagged_texts"] = 0


def test_a_hook_that_is_set_again_and_again_is_not_kept(
    installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with use_session(ANNA):
        kept = len(installation._patches._undo)
    for _ in range(20):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "excepthook", lambda *_: None)
            with use_session(ANNA):
                assert hasattr(sys.excepthook, "__wrapped__")
    assert len(installation._patches._undo) <= kept + 1


def test_work_begins_while_another_thread_looks(installed: io.StringIO) -> None:
    """It may be one that the process had before it was forked."""
    held, done = threading.Event(), threading.Event()

    def look() -> None:
        with installation._lock:
            held.set()
            done.wait(timeout=4)

    thread = threading.Thread(target=look)
    thread.start()
    held.wait(timeout=10)
    installation._seen = ()
    with use_session(ANNA):
        print("error", file=sys.stderr)
    assert thread.is_alive()
    done.set()
    thread.join()
    assert installed.getvalue() == f"{ANNA.tag} error\n"
