"""What OpenReplay's CloudWatch page has people paste, in our own words, with all its faults."""

import sys
import traceback

OPENREPLAY_SESSION_TOKEN = None

_print_as_before = traceback.print_exception
_out = sys.stdout


def _tag() -> str:
    return f"[openReplaySessionToken={OPENREPLAY_SESSION_TOKEN}] "


class _InsteadOfStderr:
    def write(self, text):
        tagged = OPENREPLAY_SESSION_TOKEN is not None and text != "\n"
        _out.write(_tag() + text if tagged else text)

    def flush(self):
        pass


def _print_exception(kind, value, trace, limit=None, file=None, chain=True):
    if OPENREPLAY_SESSION_TOKEN is not None:
        value = type(value)(_tag() + str(value))
    _print_as_before(kind, value, trace, limit, file, chain)


traceback.print_exception = _print_exception
sys.stderr = _InsteadOfStderr()
