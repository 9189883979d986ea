"""The kinds of options that are objects with fields, and lists of such objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from constructs import Construct

from openreplay_cw_stack.infra.internal.option_kinds import Kind, ListOf, WrongValue


@dataclass(frozen=True)
class Fields(Kind):
    """An object with fields, given as an instance or as a mapping.

    Attributes:
        type_: the object's class, which takes the fields as keywords.
        fields: the kind of each field that a mapping can have.
        required: the fields that a mapping must have.
        example: an example of a mapping, as text.
        check_whole: raises ValueError if the fields contradict each other.
    """

    type_: type
    fields: Mapping[str, Kind]
    required: frozenset[str]
    example: str
    check_whole: Callable[[Any], None]

    def check(self, value: Any) -> Any:
        if not isinstance(value, self.type_):
            return self._from_mapping(value, "check")
        given = {name: getattr(value, name) for name in self.fields}
        self._read({name: one for name, one in given.items() if one is not None}, "check")
        self._check_whole(value)
        return value

    def parse(self, value: Any) -> Any:
        return self._from_mapping(value, "parse")

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        if isinstance(value, self.type_):
            return value
        return self.type_(
            **{
                name: self.fields[name].resolve(one, scope, f"{construct_id}{name}")
                for name, one in value.items()
            }
        )

    def _from_mapping(self, value: Any, how: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise WrongValue(f"give {self.example}")
        for name in sorted(self.required - set(value)):
            raise WrongValue(f"add its {name}, as in {self.example}")
        for name in sorted(set(value) - set(self.fields)):
            raise WrongValue(f"omit {name}, and give {self.example}")
        checked = self._read(value, how)
        self._check_whole(self.type_(**checked))
        return checked

    def _read(self, given: Mapping[str, Any], how: str) -> dict[str, Any]:
        read = {}
        for name, one in given.items():
            try:
                read[name] = getattr(self.fields[name], how)(one)
            except WrongValue as wrong:
                raise wrong.within(f".{name}", one) from None
        return read

    def _check_whole(self, value: Any) -> None:
        try:
            self.check_whole(value)
        except ValueError as error:
            raise WrongValue(str(error)) from None


@dataclass(frozen=True)
class ListOfFields(ListOf):
    """A list of objects with fields, which can be JSON text in the context."""

    def parse(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, list):
            raise WrongValue("give a JSON list")
        return self._each(self.item.parse, value)

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        return tuple(
            self.item.resolve(one, scope, f"{construct_id}{position}")
            for position, one in enumerate(value)
        )
