"""The kinds of option values, and the values that each accepts from Python and the CDK context.

A kind checks a value, parses it from text, and turns a name or an ARN into a CDK object. Python
does not check the types of arguments: without these checks, a wrong value causes an error far from
its cause, or an unintended deployment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from constructs import Construct


class WrongValue(ValueError):
    """A value is wrong.

    Attributes:
        fix: the instruction to correct it.
        path: the place of the wrong value within the option's value, such as ``[0].url``.
        part: the value at that place.
    """

    def __init__(self, fix: str, path: str = "", part: Any = None) -> None:
        self.fix, self.path, self.part = fix, path, part
        super().__init__(fix)

    def within(self, path: str, part: Any) -> WrongValue:
        """Return the same error for the value that contains the wrong one."""
        return WrongValue(self.fix, f"{path}{self.path}", self.part if self.path else part)


class Kind:
    """A kind of values. A subclass checks, parses and resolves them."""

    def check(self, value: Any) -> Any:
        """Check a value from Python, and return it in its canonical form.

        Raises:
            WrongValue: the value is of another kind.
        """
        raise NotImplementedError

    def parse(self, value: Any) -> Any:
        """Parse a value from the CDK context: text or another JSON value.

        Raises:
            WrongValue: the value is of another kind.
        """
        return self.check(value)

    def resolve(self, value: Any, _scope: Construct, _construct_id: str) -> Any:
        """Return the value for the constructs: a CDK object instead of a name or an ARN."""
        return value

    def show(self, value: Any) -> str:
        """Return a value as the table in ``docs/options.md`` shows it."""
        return "none" if value in (None, ()) else str(value)


class Flag(Kind):
    """True or false."""

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise WrongValue("give True or False")
        return value

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else None
        if word not in ("true", "false"):
            raise WrongValue("give true or false")
        return word == "true"

    def show(self, value: Any) -> str:
        return str(value).lower()


@dataclass(frozen=True)
class Number(Kind):
    """A whole number of at least ``least``."""

    least: int
    most: int = 999_999_999

    def check(self, value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not self.least <= value <= self.most:
            raise WrongValue(f"give a whole number of {self.least} or more")
        return int(value)

    def parse(self, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
            value = int(value)
        return self.check(value)


@dataclass(frozen=True)
class LengthOfTime(Kind):
    """A duration. In the context: seconds, or with a unit: ``90s``, ``3m``, ``2h``, ``2d``.

    Attributes:
        least: the shortest duration, in ``unit``.
        most: the longest duration, in ``unit``.
        example: an accepted number with its unit.
        unit: the duration must be a whole number of these.
    """

    least: int
    most: int
    example: str
    unit: str = "seconds"

    def check(self, value: Any) -> cdk.Duration:
        if not isinstance(value, cdk.Duration) or value.is_unresolved():
            raise WrongValue(f"give a cdk.Duration of {self._range}, such as {self._in_python}")
        self._check_range(value)
        return value

    def parse(self, value: Any) -> cdk.Duration:
        text = str(value).strip().lower() if isinstance(value, int | str) else ""
        match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
        if match is None or isinstance(value, bool):
            raise WrongValue(f"give {self._range}, such as {self.example}")
        duration = cdk.Duration.seconds(int(match.group(1)) * _SECONDS[match.group(2)])
        self._check_range(duration)
        return duration

    def show(self, value: Any) -> str:
        seconds = round(value.to_seconds())
        for unit in ("d", "h", "m"):
            if seconds and seconds % _SECONDS[unit] == 0:
                return f"{seconds // _SECONDS[unit]}{unit}"
        return f"{seconds}s"

    def _check_range(self, value: cdk.Duration) -> None:
        number = value.to_seconds() / _SECONDS[self.unit[0]]
        if not self.least <= number <= self.most or number != int(number):
            whole = "" if self.unit == "seconds" else f", in whole {self.unit}"
            raise WrongValue(f"give {self._range}{whole}, such as {self.example}")

    @property
    def _range(self) -> str:
        seconds = _SECONDS[self.unit[0]]
        least, most = (cdk.Duration.seconds(one * seconds) for one in (self.least, self.most))
        return f"{self.show(least)} to {self.show(most)}"

    @property
    def _in_python(self) -> str:
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[self.example[-1]]
        return f"cdk.Duration.{unit}({self.example[:-1]})"


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Choice(Kind):
    """One of several values, each of which can also be given as text.

    Attributes:
        values: the values by their texts.
    """

    values: Mapping[str, Any]

    def check(self, value: Any) -> Any:
        if any(value is one for one in self.values.values()):
            return value
        return self.parse(value)

    def parse(self, value: Any) -> Any:
        is_text = isinstance(value, int | str) and not isinstance(value, bool)
        text = str(value).strip().lower() if is_text else ""
        if text not in self.values:
            raise WrongValue(f"give {_one_of(list(self.values))}")
        return self.values[text]

    def show(self, value: Any) -> str:
        return next(text for text, one in self.values.items() if one is value)


@dataclass(frozen=True)
class Text(Kind):
    """A text that matches a pattern.

    Attributes:
        pattern: a regular expression for the whole text.
        fix: the instruction to correct any other text.
        tokens: whether the text can be a token, which is known only at deployment.
    """

    pattern: str
    fix: str
    tokens: bool = False

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise WrongValue(self.fix)
        if cdk.Token.is_unresolved(value):
            if not self.tokens:
                raise WrongValue(f"{self.fix}; it must be known during synthesis")
            return value
        if not re.fullmatch(self.pattern, value.strip()):
            raise WrongValue(self.fix)
        return value.strip()


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of values of one kind, each once."""

    item: Kind

    def check(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise WrongValue("give a list (even for a single value)")
        return self._each(self.item.check, value)

    def parse(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [item for item in (part.strip() for part in value.split(",")) if item]
        if not isinstance(value, list):
            raise WrongValue("give a list, or values separated by commas")
        return self._each(self.item.parse, value)

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        # The id of an imported resource comes from its text, not from its place in the list.
        return tuple(
            self.item.resolve(one, scope, f"{construct_id}{one}" if isinstance(one, str) else "")
            for one in value
        )

    def show(self, value: Any) -> str:
        return ", ".join(map(str, value)) or "none"

    def _each(self, read: Callable[[Any], Any], values: Sequence[Any]) -> tuple[Any, ...]:
        taken: list[Any] = []
        for position, value in enumerate(values):
            try:
                one = read(value)
            except WrongValue as wrong:
                raise wrong.within(f"[{position}]", value) from None
            if any(one is other or (one == other and isinstance(one, str)) for other in taken):
                raise WrongValue("it is in the list twice; name it once", f"[{position}]", value)
            taken.append(one)
        return tuple(taken)


@dataclass(frozen=True)
class OrNone(Kind):
    """A value of another kind, or None; in the context, ``none``."""

    kind: Kind

    def check(self, value: Any) -> Any:
        return None if value is None else self._read(self.kind.check, value, "None")

    def parse(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            return None
        return self._read(self.kind.parse, value, "none")

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        return None if value is None else self.kind.resolve(value, scope, construct_id)

    def show(self, value: Any) -> str:
        return "none" if value is None else self.kind.show(value)

    def _read(self, read: Callable[[Any], Any], value: Any, none: str) -> Any:
        try:
            return read(value)
        except WrongValue as wrong:
            raise WrongValue(f"{wrong.fix}, or {none}", wrong.path, wrong.part) from None


def _one_of(texts: Sequence[str]) -> str:
    return f"{', '.join(texts[:-1])} or {texts[-1]}" if len(texts) > 1 else texts[0]
