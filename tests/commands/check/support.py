"""What the tests of the check's steps share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.deployed.tracked_log_groups import TrackedLogGroup
from tests.commands.support import NOW, function, stack


def context(
    of: Account,
    *resources: Resource,
    tracked: Iterable[str] = ("/app/checkout",),
    validator: dict[str, str] | None = None,
    bridge: dict[str, str] | None = None,
    rooms: Iterable[str] = (),
    registrations: Iterable[Function] = (),
    **changes: Any,
) -> Context:
    functions = {
        "validator": function("validator", {"OWN_LOG_GROUP": "/own", **(validator or {})}),
        "bridge": function("bridge", {"API_KEY_SECRET_ARN": "key", **(bridge or {})}),
    }
    functions.update({room: function(room) for room in rooms})
    deployment = Deployment(
        "Shop",
        stack(*resources, **changes),
        functions,
        alone=True,
        registrations=tuple(registrations),
    )
    groups = [TrackedLogGroup(name, f"filter of {name}") for name in tracked]
    return Context(of, deployment, groups, insecure=True)


def event(message: str, *, seconds_ago: float = 1000) -> dict[str, Any]:
    at_ms = int(1000 * (NOW - seconds_ago))
    return {"message": message, "timestamp": at_ms, "ingestionTime": at_ms}
