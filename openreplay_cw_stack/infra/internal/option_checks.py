"""Checks options: first each option by its kind, then their combinations.

``infra/options.py`` defines every option. The constructs, the stack and the context share this
code, so the same mistake causes the same error everywhere.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import aws_cdk as cdk
from constructs import Construct

from openreplay_cw_stack.infra.internal.option_kinds import Kind, WrongValue
from openreplay_cw_stack.infra.internal.option_rules import contradictions


class InvalidOptions(ValueError):
    """One or more options are wrong.

    Attributes:
        errors: one sentence for each error, which names the option, its value and the fix.
    """

    # Tracebacks name the class as programs import it.
    __module__ = "openreplay_cw_stack"

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__(_joined(errors))


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        kind: the accepted values.
        default: the value if none is given.
        meaning: one sentence for the table in ``docs/options.md``.
        shown: the text for the default in that table; default: the value.
        needs: the option has no effect unless one of these options is set.
        in_context: whether the option can be set in the CDK context.
    """

    kind: Kind
    default: Any
    meaning: str
    shown: str = ""
    needs: tuple[str, ...] = ()
    in_context: bool = True

    @property
    def default_text(self) -> str:
        """The default as the table in ``docs/options.md`` shows it."""
        return self.shown or self.kind.show(self.default)


class Values:
    """The values of options, as attributes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def of(self, group: type) -> dict[str, Any]:
        """Return the values of a group of options, as keywords for a construct."""
        return {name: self._values[name] for name in declared_options(group)}


class CheckedOptions:
    """Valid options.

    Attributes:
        values: the values by name, including every default.
        given: the names of the options that were given.
    """

    def __init__(self, group: type, given: Mapping[str, Any]) -> None:
        self._options = declared_options(group)
        self.given = frozenset(given)
        self.values = {name: one.default for name, one in self._options.items()} | dict(given)

    def resolve(self, scope: Construct) -> Values:
        """Return the values as CDK objects.

        Args:
            scope: the parent of the constructs that are imported by name or ARN.
        """
        return Values(
            {
                name: option.kind.resolve(self.values[name], scope, _construct_id(name))
                for name, option in self._options.items()
            }
        )

    def warn_of_options_without_effect(self, scope: Construct) -> None:
        """Add a warning to the construct for each option without effect."""
        for name, option in self._options.items():
            idle = option.needs and not any(self.values.get(one) for one in option.needs)
            if name not in self.given or not idle:
                continue
            if option.kind.show(self.values[name]) == option.kind.show(option.default):
                continue
            cdk.Annotations.of(scope).add_warning_v2(
                f"openreplay-cw-stack:{name}",
                f"{name} has no effect without {' or '.join(option.needs)}: omit it",
            )


@functools.cache
def declared_options(group: type) -> dict[str, Option]:
    """Return the options of a group, a TypedDict with an :class:`Option` for each key, by name."""
    hints = get_type_hints(group, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def check_options(group: type, given: Mapping[str, Any]) -> CheckedOptions:
    """Check the options that were given to a construct.

    Raises:
        TypeError: an option is unknown. The message also lists the errors of the other options.
        InvalidOptions: a value is wrong, or options contradict each other.
    """
    options = declared_options(group)
    known = {
        name: (options[name].kind.check, one) for name, one in given.items() if name in options
    }
    unknown = [
        f"unknown option {name}; {suggestion(name, options)}"
        for name in given
        if name not in options
    ]
    if not unknown:
        return _check(group, known)
    try:
        _check(group, known)
    except InvalidOptions as invalid:
        unknown += invalid.errors
    raise TypeError(_joined(unknown))


def check_argument(kind: Kind, name: str, value: Any, scope: Construct) -> Any:
    """Check one argument of a method, and return its value as a CDK object.

    Args:
        kind: the accepted values.
        name: the argument's name.
        value: the given value.
        scope: the parent of a construct that is imported by name or ARN.

    Raises:
        InvalidOptions: the value is wrong.
    """
    try:
        checked = kind.check(value)
    except WrongValue as wrong:
        raise InvalidOptions([_error(name, value, wrong)]) from None
    return kind.resolve(checked, scope, f"{_construct_id(name)}{checked}")


def check_context(group: type, given: Mapping[str, Any]) -> CheckedOptions:
    """Check the options from the CDK context, whose values can be text.

    Raises:
        InvalidOptions: a value is wrong, or options contradict each other.
    """
    options = declared_options(group)
    return _check(group, {name: (options[name].kind.parse, one) for name, one in given.items()})


def suggestion(name: str, options: Mapping[str, Option]) -> str:
    """Return a hint: the option that a name resembles, or all options."""
    close = similar_options(name, options)
    return f"did you mean {close[0]}?" if close else f"the options are {', '.join(options)}"


def similar_options(name: str, options: Mapping[str, Option]) -> list[str]:
    """Return the options whose names resemble the given name."""
    return difflib.get_close_matches(name.replace("-", "_").lower(), options, n=1, cutoff=0.75)


def _check(group: type, given: Mapping[str, tuple[Any, Any]]) -> CheckedOptions:
    errors: list[str] = []
    checked: dict[str, Any] = {}
    for name, (read, value) in given.items():
        try:
            checked[name] = read(value)
        except WrongValue as wrong:
            errors.append(_error(name, value, wrong))
    found = CheckedOptions(group, checked)
    errors += contradictions(found.values)
    if errors:
        raise InvalidOptions(errors)
    return found


def _joined(errors: Sequence[str]) -> str:
    return errors[0] if len(errors) == 1 else "".join(f"\n  - {error}" for error in errors)


def _error(name: str, value: Any, wrong: WrongValue) -> str:
    given = wrong.part if wrong.path else value
    is_scalar = isinstance(given, str | int | float | bool | None)
    if wrong.fix.startswith(_GIVE) and not is_scalar:
        return f"{name}{wrong.path}: expected {wrong.fix.removeprefix(_GIVE)}, got {_show(given)}"
    return f"{name}{wrong.path}: {_show(given)} is wrong; {wrong.fix}"


_GIVE = "give "


def _construct_id(name: str) -> str:
    return "".join(word.capitalize() for word in name.removesuffix("s").split("_"))


def _show(value: Any) -> str:
    """Return a value for an error message: its text, or its type."""
    if isinstance(value, str) and cdk.Token.is_unresolved(value):
        return "a text that is known only at deployment"
    if isinstance(value, str | int | float | bool | None):
        return _cut(repr(value))
    if isinstance(value, Mapping):
        # A mapping by mistake may hold a secret.
        return f"a mapping with the keys {_cut(', '.join(map(str, value)))}"
    if isinstance(value, list | tuple):
        return _cut(f"[{', '.join(map(_show, value))}]")
    if isinstance(value, cdk.Duration) and not value.is_unresolved():
        return value.to_human_string()
    type_name = type(value).__name__
    if type_name == "InterfaceDynamicProxy":
        # jsii's class for the result of every from_...()
        return "an imported resource"
    return f"{'an' if type_name[:1] in tuple('AEIOUaeiou') else 'a'} {type_name}"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
