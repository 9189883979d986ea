"""Values: classes that are what a frozen dataclass is, for a fraction of what one costs a start.

Lambda compiles and runs in every cold start what a function imports. Importing ``dataclasses`` is
among the longest of it, ``typing`` comes next, and each dataclass takes as long as a small module.
So neither is in the modules that the validator's handler imports: their immutable classes are
values, those that change are plain, and ``typing`` is for type checkers alone.
"""

from __future__ import annotations

# Type checkers take this name for true, wherever it comes from.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Only type checkers know what this is for."""
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True)
class Value:
    """The base of a class that has annotated fields, in their order, and nothing else.

    Made by place or by name; not to be changed; equal to another of its class with equal fields;
    shown without its :attr:`_hidden` fields. A class derived from it has its fields first. It
    is no tuple: a logger that writes JSON would take one apart, and write what is not to be shown.

    >>> class Price(Value):
    ...     amount: int
    ...     currency: str = "USD"
    >>> Price(12), Price(12) == Price(amount=12, currency="USD")
    (Price(amount=12, currency='USD'), True)
    """

    _hidden = frozenset[str]()
    """The names of fields that ``repr`` does not show, since they have a credential in them."""

    _names: tuple[str, ...] = ()
    _defaults: dict[str, Any] = {}  # noqa: RUF012

    def __init_subclass__(cls) -> None:
        own = cls.__annotations__
        cls._names = tuple({**dict.fromkeys(cls._names), **own})
        cls.__match_args__ = cls._names  # type: ignore[attr-defined, misc]
        defaults = {name: vars(cls)[name] for name in own if name in vars(cls)}
        cls._defaults = {**cls._defaults, **defaults}

    def __init__(self, *values: Any, **named: Any) -> None:
        if named or len(values) != len(self._names):
            values = self._completed(values, named)
        # Asking zip to be strict takes as long as all of this.
        vars(self).update(zip(self._names, values))  # noqa: B905

    def _completed(self, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        rest = self._names[len(values) :]
        given = {**self._defaults, **named}
        values += tuple([given[name] for name in rest if name in given])
        if len(values) != len(self._names) or not named.keys() <= set(rest):
            raise TypeError(
                f"{type(self).__name__} has the fields {', '.join(self._names)}, and each is given "
                "once; only those with a default can be left out"
            )
        return values

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        shown = (f"{n}={value!r}" for n, value in vars(self).items() if n not in self._hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
