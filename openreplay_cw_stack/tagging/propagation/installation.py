"""Install and uninstall the tagging of a process.

A line may lack its tag, but it never carries another visitor's. These lines lack it:

- output that bypasses Python's text streams: C code, ``faulthandler``, ``os.write(2, ...)``,
  ``sys.stderr.buffer`` and child processes;
- output to a ``sys.stderr`` that the program points to another file, until ``install()`` is called
  again, or that it replaces during a request, until the next request begins;
- records that a ``logging`` handler writes to anything but a tagged stream, and with neither
  ``Handler.format`` nor its formatter: for example an error tracker's handler, which must not
  receive the token;
- records from a pickle, which do not carry their session;
- output of threads, executors, processes and greenlets without ``carry``; with ``threads=True``,
  output of daemon threads, process pools and ``multiprocessing.pool``, and of threads that start
  after the request has ended;
- reports of failed uvloop callbacks, because uvloop does not expose their context, and of asyncio
  callbacks that fail after their request has ended;
- output of finalizers that the garbage collector runs, unless the exception belongs to a session;
- the report of an uncaught exception by a hook that the program set during the same request;
- output of job queues other than Celery between a job's own work and its report.
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
from openreplay_cw_stack.tagging.propagation.process_exit import patch_exit
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
# The streams, hooks and modules of the last check: a cheap way to see whether any has changed.
_seen: tuple[Any, ...] = ()


def install(
    *,
    stdout: bool = False,
    threads: bool = False,
    tag: Tag | None = None,
    level: int | str | None = None,
    replay_url: str | None = None,
) -> None:
    """Tag the output of this process with the current session.

    While a session is current, each line gets the tag once if it is written through ``logging``
    (with any formatter, and by handlers created before or after), to ``sys.stderr``, by
    ``traceback.print_*`` and ``format_*``, by ``warnings``, or in the report of an uncaught
    exception. A JSON object gets the tag as a field. Output without a session does not change.

    When work for a session begins, the tagging also covers newly imported modules (asyncio, uvloop,
    rich, loguru), new hooks for uncaught exceptions, and new streams that write to the same file as
    the ones they replace. A second call updates the options and tags the current ``sys.stderr``.

    Args:
        stdout: also tag ``sys.stdout``, for programs that print errors there. Do not use it if
            another program parses stdout.
        threads: run new threads, and functions submitted to a ``ThreadPoolExecutor``, in the
            session that starts them, until its work ends. Daemon threads and the workers of pools
            are excluded, because they serve several requests.
        tag: ``"id"`` writes the session id instead of the session token, for OpenReplay v1.21 or
            later. The logs then hold no credential and no signature, so pass ``token_secret`` to
            the middleware. None keeps the current value, initially ``"token"``.
        level: the lowest level of ``logging`` records to tag, such as ``logging.WARNING`` or
            ``"WARNING"``; other output is always tagged. None keeps the current value; initially
            all records are tagged.
        replay_url: the template for :func:`.replay_url`. None keeps the current value, initially
            the environment variable ``OPENREPLAY_REPLAY_URL``.

    Raises:
        ValueError: ``tag``, ``level`` or ``replay_url`` is invalid. The tagging does not change.
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
        patch_exit(_patches)
        patch_stream(_patches, "stderr")
        if stdout:
            patch_stream(_patches, "stdout")
        _patch_what_comes_later()
        _seen = _what_stands_there()


def uninstall() -> None:
    """Undo the tagging. Replacements that other code still holds call the originals."""
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
    """Tag new streams, hooks and modules before work for a session begins."""
    global _seen
    try:
        if not _patches.on or _seen == _what_stands_there():
            return
        # Another thread holds the lock now, or held it when this process was forked.
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
        # A failure here must not stop the application.
        counts.count(counts.UNTAGGED_TEXTS)


on_entering(_look_again)
atexit.register(finish_streams)
