"""Metric math, as far as alarms use it.

Pure: it computes with series that somebody else has read.

AWS: CloudWatch User Guide, "Using math expressions with CloudWatch metrics":

- Arithmetic and comparison of two series yield points where both have one. Comparison, AND and OR
  yield 1 and 0.
- SUM, AVG, MIN, MAX of a series are numbers; of an array, a series over all points that any member
  has. ABS, CEIL, FLOOR work point by point.
- FILL(series, number) and FILL(series, REPEAT) give the periods without a point one; REPEAT gives
  none before the first point.
- IF(condition, value, otherwise) chooses period by period; without `otherwise` the periods for
  which the condition does not hold have no point.
- DIFF is the difference to the point before, RATE that per second.
- METRICS() is the array of all metrics of the request, METRICS("text") of those with the text in
  their id.
- An expression of an alarm must yield one series.

Everything else is `UnsupportedExpression`: FILL with LINEAR, SEARCH, ANOMALY_DETECTION_BAND, and so
on. That a metric without any point is filled too is not documented, and holds here.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn, TypeAlias

Series = dict[int, float]
# A number, a series, an array of series, or a text.
Value: TypeAlias = float | Series | list[Series] | str

MAXIMUM_LENGTH = 2048
_MAXIMUM_DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<name>[A-Za-z][A-Za-z0-9_]*)
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<symbol>==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],]))""",
    re.VERBOSE,
)


class UnsupportedExpression(ValueError):
    """An expression that is invalid, or that this module does not compute."""


@dataclass(frozen=True)
class Inputs:
    """What an expression is computed from.

    Attributes:
        series: Metrics and results of other expressions, by id.
        metrics: The ids of the metrics among them, for METRICS().
        timestamps: The beginnings of the periods, in ascending order.
        period: Their length in seconds.
    """

    series: Mapping[str, Series]
    metrics: Sequence[str]
    timestamps: Sequence[int]
    period: int


def evaluate(expression: str, inputs: Inputs) -> Series:
    """Return the series that an expression yields.

    Raises:
        UnsupportedExpression: It is invalid, yields no single series, or uses what is not
            computed here.
    """
    if len(expression) > MAXIMUM_LENGTH:
        _refuse(f"it is longer than {MAXIMUM_LENGTH} characters")
    value = _Parser(_tokens(expression), inputs).parse()
    if not isinstance(value, dict):
        _refuse("it does not yield a single time series")
    return value


def names_in(expression: str) -> list[str]:
    """Return what may be an id in an expression: its words that are not in capitals."""
    return [
        text
        for kind, text in _tokens(expression)
        if kind == "name" and text[0].islower() and text not in ("and", "or")
    ]


def _refuse(reason: str) -> NoReturn:
    raise UnsupportedExpression(f"The expression cannot be computed: {reason}.")


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse(f"unexpected {text[position:].strip()[:20]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        position = match.end()
    return found


class _Parser:
    """Computes while it reads: an expression is read once for every evaluation."""

    def __init__(self, tokens: list[tuple[str, str]], inputs: Inputs) -> None:
        self._tokens = tokens
        self._inputs = inputs
        self._at = 0
        self._depth = 0

    def parse(self) -> Value:
        value = self._either()
        if self._at < len(self._tokens):
            _refuse(f"unexpected {self._tokens[self._at][1]!r}")
        return value

    def _next(self, *texts: str) -> str | None:
        """Take the next token if it is one of `texts`."""
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind != "text" and text in texts:
                self._at += 1
                return text
        return None

    def _expect(self, text: str) -> None:
        if self._next(text) is None:
            _refuse(f"{text!r} is missing")

    def _either(self) -> Value:
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            _refuse("it is nested too deeply")
        value = self._both()
        while self._next("OR", "||"):
            value = _combine(value, self._both(), lambda a, b: float(bool(a) or bool(b)))
        self._depth -= 1
        return value

    def _both(self) -> Value:
        value = self._comparison()
        while self._next("AND", "&&"):
            value = _combine(value, self._comparison(), lambda a, b: float(bool(a) and bool(b)))
        return value

    def _comparison(self) -> Value:
        value = self._sum()
        while symbol := self._next(*_COMPARISONS):
            value = _combine(value, self._sum(), _COMPARISONS[symbol])
        return value

    def _sum(self) -> Value:
        value = self._product()
        while symbol := self._next("+", "-"):
            by = operator.add if symbol == "+" else operator.sub
            value = _combine(value, self._product(), by)
        return value

    def _product(self) -> Value:
        value = self._power()
        while symbol := self._next("*", "/"):
            value = _combine(value, self._power(), operator.mul if symbol == "*" else _divide)
        return value

    def _power(self) -> Value:
        value = self._unary()
        if self._next("^"):
            return _combine(value, self._power(), _power)
        return value

    def _unary(self) -> Value:
        if self._next("-"):
            return _combine(-1.0, self._unary(), operator.mul)
        return self._primary()

    def _primary(self) -> Value:
        if self._next("("):
            value = self._either()
            self._expect(")")
            return value
        if self._next("["):
            return self._array()
        if self._at == len(self._tokens):
            _refuse("it ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text)
        if kind == "text":
            return text[1:-1]
        if kind == "name":
            return self._call(text) if self._next("(") else self._named(text)
        _refuse(f"unexpected {text!r}")

    def _array(self) -> list[Series]:
        members: list[Series] = []
        for value in self._arguments("]"):
            if isinstance(value, dict):
                members.append(value)
            elif isinstance(value, list):
                members += value
            else:
                _refuse("an array may hold series only")
        return members

    def _arguments(self, end: str) -> list[Value]:
        if self._next(end):
            return []
        values = [self._either()]
        while self._next(","):
            values.append(self._either())
        self._expect(end)
        return values

    def _named(self, name: str) -> Value:
        if name in self._inputs.series:
            return self._inputs.series[name]
        if name == "REPEAT":
            return name
        _refuse(f"{name} is not an id")

    def _call(self, name: str) -> Value:
        arguments = self._arguments(")")
        function = _FUNCTIONS.get(name)
        if function is None:
            _refuse(f"the function {name} is not implemented by this emulator")
        return function(self._inputs, arguments)


# --- Operators ---------------------------------------------------------------------------------

_COMPARISONS: dict[str, Callable[[float, float], float]] = {
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
}


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def _power(base: float, exponent: float) -> float:
    try:
        result = base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.nan
    return float(result) if isinstance(result, (int, float)) else math.nan


def _combine(left: Value, right: Value, by: Callable[[float, float], float]) -> Value:
    """Apply an operator to numbers, series and arrays. What is no number has no point."""
    if isinstance(left, str) or isinstance(right, str):
        _refuse("a text cannot be computed with")
    if isinstance(left, list):
        if isinstance(right, list):
            _refuse("two arrays cannot be combined")
        return [_series(_combine(member, right, by)) for member in left]
    if isinstance(right, list):
        return [_series(_combine(left, member, by)) for member in right]
    if isinstance(left, dict) and isinstance(right, dict):
        return _finite({at: by(left[at], right[at]) for at in left if at in right})
    if isinstance(left, dict):
        assert isinstance(right, float)
        return _finite({at: by(value, right) for at, value in left.items()})
    if isinstance(right, dict):
        return _finite({at: by(left, value) for at, value in right.items()})
    return by(left, right)


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        _refuse("a series is expected")
    return value


def _finite(series: Series) -> Series:
    return {at: value for at, value in series.items() if math.isfinite(value)}


# --- Functions ---------------------------------------------------------------------------------

_Function = Callable[[Inputs, list[Value]], Value]


def _aggregate(by: Callable[[Sequence[float]], float]) -> _Function:
    def function(inputs: Inputs, arguments: list[Value]) -> Value:
        (value,) = _exactly(arguments, 1)
        if isinstance(value, dict):
            return by(list(value.values())) if value else math.nan
        if not isinstance(value, list):
            _refuse("a series or an array is expected")
        times = sorted({at for member in value for at in member})
        return {at: by([member[at] for member in value if at in member]) for at in times}

    return function


def _pointwise(by: Callable[[float], float]) -> _Function:
    def function(inputs: Inputs, arguments: list[Value]) -> Value:
        (value,) = _exactly(arguments, 1)
        return _combine(value, 0.0, lambda point, _: float(by(point)))

    return function


def _exactly(arguments: list[Value], *counts: int) -> list[Value]:
    if len(arguments) not in counts:
        _refuse(f"{len(arguments)} arguments where {' or '.join(map(str, counts))} are expected")
    return arguments


def _fill(inputs: Inputs, arguments: list[Value]) -> Value:
    value, filler = _exactly(arguments, 2)
    if isinstance(value, list):
        return [_series(_fill(inputs, [member, filler])) for member in value]
    series = _series(value)
    filled: Series = {}
    last: float | None = None
    for at in inputs.timestamps:
        if at in series:
            last = series[at]
        if at in series or filler == "REPEAT":
            point = last
        elif isinstance(filler, float):
            point = filler
        elif isinstance(filler, dict):
            point = filler.get(at)
        else:
            _refuse("FILL needs a number, a series, or REPEAT")
        if point is not None:
            filled[at] = point
    return filled


def _if(inputs: Inputs, arguments: list[Value]) -> Value:
    condition, value, *rest = _exactly(arguments, 2, 3)
    otherwise: Value = rest[0] if rest else {}
    if isinstance(condition, (int, float)):
        return value if condition else otherwise
    if not isinstance(condition, dict):
        _refuse("the condition of IF must be a number or a series")
    chosen = {at: _point(value if holds else otherwise, at) for at, holds in condition.items()}
    return {at: point for at, point in chosen.items() if point is not None}


def _point(value: Value, at: int) -> float | None:
    if isinstance(value, dict):
        return value.get(at)
    if not isinstance(value, (int, float)):
        _refuse("IF can choose numbers and series only")
    return value


def _changes(series: Series, by: Callable[[float, float], float]) -> Series:
    times = sorted(series)
    return {
        at: by(series[at] - series[before], float(at - before)) for before, at in pairwise(times)
    }


def _diff(inputs: Inputs, arguments: list[Value]) -> Value:
    (value,) = _exactly(arguments, 1)
    return _changes(_series(value), lambda change, _: change)


def _rate(inputs: Inputs, arguments: list[Value]) -> Value:
    (value,) = _exactly(arguments, 1)
    return _changes(_series(value), operator.truediv)


def _metrics(inputs: Inputs, arguments: list[Value]) -> Value:
    text = _exactly(arguments, 0, 1)[0] if arguments else ""
    if not isinstance(text, str):
        _refuse("METRICS takes a text")
    return [inputs.series[name] for name in inputs.metrics if text in name]


def _period(inputs: Inputs, arguments: list[Value]) -> Value:
    _exactly(arguments, 1)
    return float(inputs.period)


_FUNCTIONS: dict[str, _Function] = {
    "ABS": _pointwise(abs),
    "AVG": _aggregate(lambda values: sum(values) / len(values)),
    "CEIL": _pointwise(math.ceil),
    "DIFF": _diff,
    "FILL": _fill,
    "FLOOR": _pointwise(math.floor),
    "IF": _if,
    "MAX": _aggregate(max),
    "METRICS": _metrics,
    "MIN": _aggregate(min),
    "PERIOD": _period,
    "RATE": _rate,
    "SUM": _aggregate(sum),
}
