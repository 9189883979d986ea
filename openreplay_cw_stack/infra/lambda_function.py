"""What our Lambda functions have in common: code without a build step, a role, a log group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from openreplay_cw_stack.infra.acknowledgements import (
    acknowledge_default_encryption,
    acknowledge_function,
    acknowledge_nothing_reserved,
    acknowledge_streams_of,
)
from openreplay_cw_stack.infra.log_groups import arn_for_policies

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The newest Python that AWS Lambda runs."""

_PACKAGE = Path(__file__).resolve().parents[1]


_ROOMS = tuple(
    sorted(one.name for one in (_PACKAGE / "runtime").iterdir() if (one / "__init__.py").exists())
)


def function_code(room: str) -> lambda_.Code:
    """What a function is deployed with: its own room of ``runtime``, what all share, ``tagging``.

    The same files and the same hash from a checkout and from an installed package. Handler names
    are the import names used everywhere else.

    Args:
        room: the name of a package in ``runtime``.
    """
    name = _PACKAGE.name
    others = [f"/{name}/runtime/{other}" for other in _ROOMS if other != room]
    return lambda_.Code.from_asset(
        str(_PACKAGE.parent),
        ignore_mode=cdk.IgnoreMode.GIT,
        exclude=[
            "/*",
            f"!/{name}",
            f"/{name}/*",
            f"!/{name}/__init__.py",
            f"!/{name}/runtime",
            f"!/{name}/tagging",
            # For backends; no function of ours serves visitors.
            f"/{name}/tagging/propagation",
            # For the commands, and for the subscription filter.
            f"/{name}/tagging/advice.py",
            f"/{name}/tagging/filter_pattern.py",
            *others,
            "__pycache__",
            "*.pyc",
        ],
    )


def own_log_group(
    scope: Construct, retention: logs.RetentionDays, encryption_key: kms.IKey | None
) -> logs.LogGroup:
    """The log group of a function of ours. It never holds a line's content."""
    log_group = logs.LogGroup(
        scope,
        "LogGroup",
        retention=retention,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        encryption_key=encryption_key,
    )
    if encryption_key is None:
        acknowledge_default_encryption(log_group)
    return log_group


def lambda_function(
    scope: Construct,
    *,
    room: str,
    description: str,
    linked_log_group: logs.ILogGroup,
    log_group: logs.LogGroup,
    statements: Sequence[iam.PolicyStatement],
    environment: Mapping[str, str],
    memory_size: int,
    timeout: cdk.Duration,
    reserved_concurrency: int | None,
    no_network: str,
) -> lambda_.Function:
    """A function of ours with a role of its own: ``Policy``, ``Role`` and ``Function`` in a scope.

    Args:
        scope: the construct that the function is the heart of.
        room: the package in ``runtime`` that has its ``handler`` module.
        description: of the function.
        linked_log_group: the one that its statements name.
        log_group: its own, which it may write to.
        statements: what else it may do.
        environment: as its settings read it.
        memory_size: megabytes.
        timeout: of one invocation.
        reserved_concurrency: None reserves nothing.
        no_network: why it needs no VPC.
    """
    own_lines = iam.PolicyStatement(
        sid="WriteOwnLines",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[arn_for_policies(log_group)],
    )
    policy = iam.ManagedPolicy(scope, "Policy", statements=[*statements, own_lines])
    acknowledge_streams_of(policy, linked_log_group)
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"The {room} of openreplay-cw-stack",
        managed_policies=[policy],
    )
    function = lambda_.Function(
        scope,
        "Function",
        description=description,
        runtime=RUNTIME,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"{_PACKAGE.name}.runtime.{room}.handler.handler",
        code=function_code(room),
        memory_size=memory_size,
        timeout=timeout,
        reserved_concurrent_executions=reserved_concurrency,
        # The role is complete as it is; other constructs would add inline policies.
        role=role.without_policy_updates(),
        log_group=log_group,
        environment=environment,
    )
    acknowledge_function(function, no_network=no_network)
    if reserved_concurrency is None:
        acknowledge_nothing_reserved(function)
    return function


def check_function_numbers(reserved_concurrency: int | None, memory_size: int) -> None:
    """Refuse what AWS Lambda refuses.

    Raises:
        ValueError: the reserved concurrency is below 1, or the memory not 128 to 10240 megabytes.
    """
    if reserved_concurrency is not None and reserved_concurrency < 1:
        raise ValueError(
            f"reserved_concurrency must be 1 or more, not {reserved_concurrency}: with none the "
            "function would never run; None reserves nothing"
        )
    if not 128 <= memory_size <= 10240:
        raise ValueError(f"memory_size must be 128 to 10240 megabytes, not {memory_size}")
