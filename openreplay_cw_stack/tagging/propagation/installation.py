"""Switching the tagging of everything a process writes on and off.

A line may miss its tag; it never carries another visitor's. These lines miss it:

- what does not pass Python's streams: C code, ``faulthandler``, ``os.write(2, ...)``,
  ``sys.stderr.buffer``, child processes;
- ``sys.stderr`` that a program sets to another file, until ``install()`` is called again; or sets
  anew in the midst of a request, until the next one begins;
- a handler of ``logging`` that writes a record without ``Handler.format`` and without its
  formatter, to anything but a tagged stream, such as an error tracker's, which is not to have the
  token; and a record from a pickle, whose origin does not travel;
- threads, executors, processes and greenlets without ``carry``; with ``threads=True``: daemon
  threads, process pools, ``multiprocessing.pool``, and what begins after the request has ended;
- a callback of uvloop that fails, since uvloop does not show its context; and one of asyncio after
  its request has ended;
- what the garbage collector finalizes, unless its exception is known to be a visitor's;
- a hook for uncaught exceptions that is set in the midst of a request and reports its exception;
- jobs of other queues than Celery between the job's own work and its report.
"""

from __future__ import annotations

import atexit
import sys
import threading
from typing import Any

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.choices import Tag, check_tag, level_number
from openreplay_cw_stack.tagging.propagation.event_loops import patch_event_loops
from openreplay_cw_stack.tagging.propagation.log_records import patch_logging
from openreplay_cw_stack.tagging.propagation.loguru_messages import patch_loguru
from openreplay_cw_stack.tagging.propagation.own_handlers import patch_own_handlers
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.replay_links import set_replay_url
from openreplay_cw_stack.tagging.propagation.rich_handlers import patch_rich
from openreplay_cw_stack.tagging.propagation.scopes import on_entering
from openreplay_cw_stack.tagging.propagation.session import write_ids
from openreplay_cw_stack.tagging.propagation.standard_streams import (
    follow_stream,
    patch_stream,
    restore_streams,
)
from openreplay_cw_stack.tagging.propagation.streams import finish_streams
from openreplay_cw_stack.tagging.propagation.threads import patch_threads
from openreplay_cw_stack.tagging.propagation.tracebacks import patch_traceback
from openreplay_cw_stack.tagging.propagation.uncaught import patch_hooks, prepare_hooks

_patches = Patches()
_lock = threading.RLock()
# What stood there when it was last looked at: a cheap sign that something has come since.
_seen: tuple[Any, ...] = ()


def install(
    *,
    stdout: bool = False,
    threads: bool = False,
    tag: Tag | None = None,
    level: int | str | None = None,
    replay_url: str | None = None,
) -> None:
    """Tag what this process writes while it works for a visitor's session.

    From here on every line has the tag once that is written through ``logging`` (whichever the
    formatter, and whenever the handler was made), to ``sys.stderr``, by ``traceback.print_*`` and
    ``format_*``, by ``warnings``, and about exceptions that nobody caught. A JSON object gets
    it as a field. Work without a session writes as before.

    What comes later is found when work for a session begins: modules that are imported (asyncio,
    uvloop, rich, loguru), hooks for uncaught exceptions, and streams that write to the same file as
    the ones before. Calling it again changes nothing else but the arguments, and tags whatever
    stands in ``sys.stderr`` then.

    Args:
        stdout: tag ``sys.stdout`` as well; for programs that print their errors there. Not where
            stdout is a program's result.
        threads: new threads, and functions that are submitted to a ``ThreadPoolExecutor``, belong
            to the work that starts them, until it ends. Not daemon threads and pools' workers,
            which serve whoever comes.
        tag: ``"id"`` writes the session id in place of the session token, for the logs of those
            whose OpenReplay is v1.21 or later: no credential is in them then, and no signature, so
            give the middleware ``token_secret``. None: as before; at first ``"token"``.
        level: the level from which records of ``logging`` are tagged, such as ``logging.WARNING``
            or ``"WARNING"``; everything else is tagged always. None: as before; at first all are.
        replay_url: the template of :func:`.replay_url`'s links. None: as before; at first the
            environment variable ``OPENREPLAY_REPLAY_URL``.

    Raises:
        ValueError: ``tag``, ``level`` or ``replay_url`` is not what it can be; nothing is changed
            then.
    """
    global _seen
    if tag is not None:
        check_tag(tag)
    number = None if level is None else level_number(level)
    if replay_url is not None:
        set_replay_url(replay_url)
    with _lock:
        if tag is not None:
            write_ids(tag == "id")
        if number is not None:
            _patches.level = number
        _patches.on = True
        prepare_hooks()
        patch_traceback(_patches)
        patch_threads(_patches, is_handing_on=threads)
        patch_stream(_patches, "stderr")
        if stdout:
            patch_stream(_patches, "stdout")
        _patch_what_comes_later()
        _seen = _what_stands_there()


def uninstall() -> None:
    """Put everything back. What others took hold of meanwhile does nothing from here on."""
    global _seen
    with _lock:
        finish_streams()
        restore_streams(_patches)
        _patches.undo()
        write_ids(False)
        set_replay_url(None)
        _seen = ()


def _patch_what_comes_later() -> None:
    patch_logging(_patches)
    patch_hooks(_patches)
    patch_event_loops(_patches)
    patch_loguru(_patches)
    patch_rich(_patches)
    patch_own_handlers(_patches, _look_again)


def _what_stands_there() -> tuple[Any, ...]:
    return len(sys.modules), sys.stderr, sys.stdout, sys.excepthook, threading.excepthook


def _look_again() -> None:
    """Take care of what has come since; before work for a session begins."""
    global _seen
    try:
        if not _patches.on or _seen == _what_stands_there():
            return
        # Another thread looks just now, or did so when this process was forked.
        if not _lock.acquire(blocking=False):
            return
        try:
            follow_stream(_patches, "stderr")
            follow_stream(_patches, "stdout")
            patch_threads(_patches, is_handing_on=False)
            _patch_what_comes_later()
            _seen = _what_stands_there()
        finally:
            _lock.release()
    except Exception:
        # The application's work is to begin all the same.
        counts.count(counts.UNTAGGED_TEXTS)


on_entering(_look_again)
atexit.register(finish_streams)
