"""Finds the deployments in a stack: one for each construct.

The package's own stack has outputs; another app's stack with the construct has none. Both have the
same functions: their handlers come from this package, and their environment variables name all
other resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.stack import NESTED_STACK, Resource, Stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.runtime.aws_calls import error_code

_HANDLER = re.compile(r"openreplay_cw_stack\.runtime\.(\w+)\.")
_HASH = re.compile(r"Function[0-9A-F]{8}\Z")
FUNCTION = "AWS::Lambda::Function"


@dataclass(frozen=True)
class Function:
    """A Lambda function of this package.

    Attributes:
        room: its package in :mod:`openreplay_cw_stack.runtime`, such as ``validator``.
        logical_id: its logical id in the template.
        name: the function's name.
        arn: the function's ARN.
        role: the name of its role.
        log_group: the name of the log group that it writes to.
        environment: its environment variables.
    """

    room: str
    logical_id: str
    name: str
    arn: str
    role: str
    log_group: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        """The logical id of the construct around the function."""
        return _HASH.sub("", self.logical_id)


@dataclass(frozen=True)
class Deployment:
    """One deployed construct.

    Attributes:
        name: the value of the metric dimension ``Deployment``.
        stack: the stack that contains it.
        functions: the functions by room; of several registration functions, the last.
        registrations: the registration functions.
        alone: whether it is the only deployment in its stack, which then has its outputs.
    """

    name: str
    stack: Stack
    functions: Mapping[str, Function]
    alone: bool
    registrations: Sequence[Function] = ()

    @property
    def validator(self) -> Function | None:
        """The function that judges lines."""
        return self.functions.get("validator")

    @property
    def bridge(self) -> Function | None:
        """The function that answers OpenReplay."""
        return self.functions.get("bridge")

    @property
    def service_account_secret(self) -> Resource | None:
        """The secret of the service account's key. With rotation it is a different secret."""
        kind = "AWS::SecretsManager::Secret"
        rotated = self.resource(kind, "ServiceAccountRotatedSecret")
        return rotated or self.resource(kind, "ServiceAccountSecret")

    def resource(self, kind: str, path: str) -> Resource | None:
        """Return a resource of the construct by its path, such as ``ServiceAccountUser``."""
        for room, construct in (("validator", "Validator"), ("bridge", "Bridge")):
            function = self.functions.get(room)
            if function is not None and function.path.endswith(construct):
                whole = function.path.removesuffix(construct)
                return self.stack.find(kind, whole + path)
        return None


def find_deployments(account: Account, stack: Stack, only: str | None = None) -> list[Deployment]:
    """Find the deployments in a stack.

    Args:
        account: the account of the stack.
        stack: the stack.
        only: return only the deployment of this name.

    Raises:
        CommandFailed: there is no deployment, or none of that name; or AWS refuses a call.
    """
    by_name: dict[str, list[Function]] = {}
    for function in _functions(account, stack):
        name = function.environment.get("DEPLOYMENT")
        if name:
            by_name.setdefault(name, []).append(function)
    if not by_name:
        raise CommandFailed(_nothing_in(stack))
    if only is not None and only not in by_name:
        raise CommandFailed(
            f"the stack {stack.name} has no deployment {only}: it has {', '.join(sorted(by_name))}"
        )
    return [
        Deployment(
            name,
            stack,
            {function.room: function for function in functions},
            alone=len(by_name) == 1,
            registrations=[one for one in functions if one.room == "registration"],
        )
        for name, functions in sorted(by_name.items())
        if only in (None, name)
    ]


def find_deployment(account: Account, stack: Stack, only: str | None) -> Deployment:
    """Find the only deployment in a stack, or the one named ``only``.

    Raises:
        CommandFailed: the stack has several deployments and ``only`` is None, or the deployment
            does not exist, or AWS refuses a call.
    """
    found = find_deployments(account, stack, only)
    if len(found) > 1:
        names = ", ".join(deployment.name for deployment in found)
        raise CommandFailed(
            f"the stack {stack.name} has several deployments: give one as --deployment ({names})"
        )
    return found[0]


def require_validator(deployment: Deployment) -> Function:
    """Return the validator of a deployment.

    Raises:
        CommandFailed: it has none.
    """
    if deployment.validator is None:
        raise CommandFailed(f"{deployment.name} has no validator: run `check` to find out why")
    return deployment.validator


def variable(function: Function, name: str) -> str:
    """Return a variable of a function's environment.

    Raises:
        CommandFailed: the function has none of that name.
    """
    value = function.environment.get(name)
    if not value:
        raise CommandFailed(
            f"the function {function.name} has no {name}: the stack has another version; deploy it "
            "again with this version"
        )
    return value


def _functions(account: Account, stack: Stack) -> Iterator[Function]:
    client = account.client("lambda")
    for resource in stack.of_kind(FUNCTION):
        with aws_must(f"read the function {resource.physical_id}"):
            configuration = _configuration(client, resource.physical_id)
        function = _function(resource, configuration)
        if function is not None:
            yield function


def _configuration(client: Any, name: str) -> Mapping[str, Any]:
    """Return a function's configuration, which is empty if the function does not exist."""
    try:
        found: Mapping[str, Any] = client.get_function_configuration(FunctionName=name)
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return {}
    return found


def runtime_package(handler: str) -> str | None:
    """Return the handler's package in :mod:`openreplay_cw_stack.runtime`, or None for another's."""
    match = _HANDLER.match(handler)
    return match.group(1) if match else None


def _function(resource: Resource, configuration: Mapping[str, Any]) -> Function | None:
    room = runtime_package(configuration.get("Handler", ""))
    if room is None:
        return None
    return Function(
        room=room,
        logical_id=resource.logical_id,
        name=configuration["FunctionName"],
        arn=configuration["FunctionArn"],
        role=configuration["Role"].rpartition("/")[2],
        log_group=_log_group(configuration),
        environment=configuration.get("Environment", {}).get("Variables", {}),
    )


def _log_group(configuration: Mapping[str, Any]) -> str:
    """Return the log group. Lambda Developer Guide, "Configuring CloudWatch log groups"."""
    own: str | None = configuration.get("LoggingConfig", {}).get("LogGroup")
    return own or f"/aws/lambda/{configuration['FunctionName']}"


def _nothing_in(stack: Stack) -> str:
    nested = [
        one.physical_id.split("/")[1]
        for one in stack.of_kind(NESTED_STACK)
        if "/" in one.physical_id
    ]
    inside = f"; if it is in a nested stack, give that one: {', '.join(nested)}"
    return (
        f"the stack {stack.name} in {stack.region} has no function of openreplay-cw-stack: check "
        f"the name{inside if nested else ''}"
    )
