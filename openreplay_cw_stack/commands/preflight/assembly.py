"""Reads the output of ``cdk synth``: the stacks that will be deployed, with their templates.

The folder is a cloud assembly: ``manifest.json`` names its stacks (AWS CDK, package
``cloud-assembly-schema``). It describes the whole deployment, of this package's app and of any
other app.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openreplay_cw_stack.commands.deployed.deployment import FUNCTION, runtime_package
from openreplay_cw_stack.commands.deployed.stack import NESTED_STACK, Resource, Stack, Template
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.preflight.plan import Bootstrap, Plan

_STACK = "aws:cloudformation:stack"
_NESTED_ASSEMBLY = "cdk:cloud-assembly"
_UNKNOWN = ("unknown-account", "unknown-region")
_NAMES = {
    "AWS::IAM::User": "UserName",
    "AWS::Logs::AccountPolicy": "PolicyName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""The property that ``Ref`` returns, if the template sets it."""


def read_plans(folder: Path, only: str | None = None) -> list[Plan]:
    """Read the stacks of a cloud assembly that have a function of this package.

    Args:
        folder: the cloud assembly; the CDK's default is ``cdk.out``.
        only: return only the stack of this name.

    Raises:
        CommandFailed: there is no cloud assembly, or it has no such stack.
    """
    plans = [plan for plan in _plans(folder) if _is_ours(plan)]
    if only is not None:
        plans = [plan for plan in plans if plan.name == only]
    if plans:
        return plans
    named = f" of the name {only}" if only is not None else ""
    raise CommandFailed(
        f"{folder} has no stack{named} with a function of openreplay-cw-stack: run `cdk synth` "
        "again, or give its output folder as --assembly"
    )


def _plans(folder: Path) -> Iterator[Plan]:
    artifacts: Mapping[str, Any] = _read(folder / "manifest.json").get("artifacts", {})
    for name, artifact in artifacts.items():
        properties = artifact.get("properties", {})
        if artifact.get("type") == _NESTED_ASSEMBLY:
            yield from _plans(folder / properties["directoryName"])
        elif artifact.get("type") == _STACK:
            yield _plan(folder, name, artifact.get("environment", ""), properties)


def _plan(folder: Path, name: str, environment: str, properties: Mapping[str, Any]) -> Plan:
    account, _, region = environment.removeprefix("aws://").partition("/")
    stack_name = properties.get("stackName", name)
    version = properties.get("requiresBootstrapStackVersion")
    parameter = properties.get("bootstrapStackVersionSsmParameter")
    return Plan(
        name=stack_name,
        account=None if account in ("", _UNKNOWN[0]) else account,
        region=None if region in ("", _UNKNOWN[1]) else region,
        bootstrap=Bootstrap(int(version), parameter) if version and parameter else None,
        templates=tuple(_templates(folder, properties["templateFile"], stack_name)),
    )


def _templates(folder: Path, file: str, stack_name: str) -> Iterator[Template]:
    """Yield the template of a stack and those of its nested stacks."""
    body = _read(folder / file)
    resources: Mapping[str, Any] = body.get("Resources", {})
    stack = Stack(
        name=stack_name,
        region="",
        status="",
        outputs={},
        parameters=_defaults(body.get("Parameters", {})),
        resources=tuple(_named(resources)),
    )
    yield Template(stack, resources, exports={})
    for resource in resources.values():
        nested = resource.get("Metadata", {}).get("aws:asset:path", "")
        if resource["Type"] == NESTED_STACK and nested.endswith(".json"):
            yield from _templates(folder, nested, stack_name)


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the defaults of parameters, except names of parameters of Systems Manager."""
    return {
        name: str(one["Default"])
        for name, one in parameters.items()
        if "Default" in one and not one.get("Type", "").startswith("AWS::SSM::")
    }


def _named(resources: Mapping[str, Any]) -> Iterator[Resource]:
    for logical_id, resource in resources.items():
        kind = resource["Type"]
        name = resource.get("Properties", {}).get(_NAMES.get(kind, ""))
        yield Resource(logical_id, name if isinstance(name, str) else "", kind)


def _is_ours(plan: Plan) -> bool:
    handlers = (one.properties.get("Handler") for one in plan.of_kind(FUNCTION))
    return any(isinstance(handler, str) and runtime_package(handler) for handler in handlers)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise CommandFailed(
            f"there is no {path}: run `cdk synth` (or `make synth`), or give its output folder as "
            "--assembly"
        ) from None
    except ValueError:
        raise CommandFailed(f"{path} is not JSON: run `cdk synth` again") from None
    if not isinstance(document, dict):
        raise CommandFailed(f"{path} is not from the CDK: run `cdk synth` again")
    return document
