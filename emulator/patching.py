"""Replaces attributes of MiniStack's modules at startup, and fails if one is missing.

The extensions of this package are written for one release of MiniStack. Another release may rename
what they replace. The tests would then silently run against MiniStack's own behaviour. So this
module looks up every attribute first, and a missing one stops the startup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import metadata
from typing import Any

PINNED_VERSION = "1.5.33"


class IncompatibleMiniStack(RuntimeError):
    """The installed MiniStack lacks something that an extension replaces or calls."""


def installed_version() -> str:
    """Return the version of the installed MiniStack, or "none"."""
    try:
        return metadata.version("ministack")
    except metadata.PackageNotFoundError:
        return "none"


def require(module: Any, names: Iterable[str]) -> None:
    """Raise `IncompatibleMiniStack` unless `module` has every one of `names`."""
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise IncompatibleMiniStack(_explanation(module.__name__, ", ".join(missing)))


def replace(module: Any, name: str, replacement: Any) -> None:
    """Set `module.name` to `replacement`."""
    require(module, [name])
    setattr(module, name, replacement)


def wrap(module: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Set `module.name` to `wrapper`, with the original as its first argument."""
    require(module, [name])
    setattr(module, name, partial(wrapper, getattr(module, name)))


def wrap_entry(table: dict[str, Any], owner: str, key: str, wrapper: Callable[..., Any]) -> None:
    """Set a dispatch table's entry to `wrapper`, with the original as its first argument."""
    if key not in table:
        raise IncompatibleMiniStack(_explanation(owner, key))
    table[key] = partial(wrapper, table[key])


def add_resource_type(name: str, *, replacing: Iterable[str] = (), **actions: Any) -> None:
    """Add a resource type to CloudFormation.

    Args:
        name: The type's name, such as "AWS::IAM::Group".
        replacing: The properties whose update replaces the resource.
        actions: Functions for create, update and delete, which take MiniStack's arguments.
    """
    from ministack.services.cloudformation import provisioners

    require(provisioners, ["_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES"])
    provisioners._RESOURCE_HANDLERS[name] = actions
    if replacing:
        provisioners._REPLACING_PROPERTIES[name] = tuple(replacing)


def wrap_resource_type(name: str, **wrappers: Callable[..., Any]) -> None:
    """Wrap CloudFormation's functions that create, update or delete resources of a type."""
    from ministack.services.cloudformation import provisioners

    require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(name, {})
    for action, wrapper in wrappers.items():
        wrap_entry(handlers, f"{provisioners.__name__} {name}", action, wrapper)


def _explanation(owner: str, missing: str) -> str:
    return (
        f"{owner} has no {missing}. The emulator extends MiniStack {PINNED_VERSION}; "
        f"installed is {installed_version()}."
    )
