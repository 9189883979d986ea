"""The growth of the CPU time of a line with its length.

``judge``, ``remove_session_tokens`` and ``level_of`` process arbitrary lines. The shapes below are
difficult for regular expressions. The ratio is the time per character in a line of 1 MB divided by
that in a line of 1 KB: 1 for linear growth, 1000 for quadratic growth. The bound is generous, since
the short measurements take microseconds.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measuring import Bounds, cpu_seconds
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.tagging import compose_token, judge, remove_session_tokens

AT_MOST = 10
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
TOKEN = compose_token(session_id=2**62, expires_ms=2**41, token_secret=b"benchmark")
SHAPES = {
    "prose": "the payment of order 4711 was refused by the bank ",
    "blanks": " ",
    "letters": "a",
    "dots": "a.",
    "signs": ".-",
    "digits of base 58": "1" * 37 + ".",
    "tokens": TOKEN + " ",
    "tokens, glued": TOKEN,
    "tags": f"[openReplaySessionToken={TOKEN[:-1]}] ",
    "empty tags": "openReplaySessionToken= ",
    "names": "openReplaySessionToken",
    "misspelled": 'openreplaysessiontoken\\"  :',
    "ids": "openReplaySession.id=",
    "ids, escaped": "openReplaySession.id&#61;%3D\\u003d",
    "fields": '{"openReplaySessionToken": "',
    "broken literals": "'\n 'a.1.",
    "brackets": "[[",
    "JSON": '{"level":',
}
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "judge": judge,
    "remove_session_tokens": remove_session_tokens,
    "level_of": level_of,
}


def run() -> None:
    """Print nanoseconds per character at each length, and the ratio of the last to the first."""
    bounds = Bounds()
    for name, function in FUNCTIONS.items():
        print(f"\n{name}: nanoseconds a character")
        header = "".join(f"{length // 1000:>7} KB" for length in LENGTHS)
        print(f"  {'shape':<20}{header}   1 MB / 1 KB")
        for shape, piece in SHAPES.items():
            costs = [_cost(function, piece, length) for length in LENGTHS]
            cells = "".join(f"{cost * 1e9:>10.2f}" for cost in costs)
            ratio = costs[-1] / costs[0]
            held = bounds.check(f"{name}, {shape}", ratio, AT_MOST)
            print(f"  {shape:<20}{cells}   {ratio:>10.2f}, at most {AT_MOST}   {held}")
    bounds.conclude()


def _cost(function: Callable[[str], object], piece: str, length: int) -> float:
    text = (piece * (length // len(piece) + 1))[:length]
    return cpu_seconds(lambda: function(text)) / length
