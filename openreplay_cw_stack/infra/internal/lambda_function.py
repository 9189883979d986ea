"""The common parts of the Lambda functions: code, role and log group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from openreplay_cw_stack.infra.internal.acknowledgements import (
    acknowledge,
    acknowledge_default_encryption,
    acknowledge_function,
    acknowledge_nothing_reserved,
    in_packs,
)
from openreplay_cw_stack.infra.internal.function_files import PACKAGE, stage_function_files
from openreplay_cw_stack.infra.internal.log_groups import arn_for_policies

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The newest Python that AWS Lambda runs."""

_NETWORK_INTERFACES = (
    "AWS Lambda uses the function's role to create the network interfaces of a function in a VPC; "
    "their ids are not known in advance, and AWS documents this statement with this resource"
)


def own_log_group(scope: Construct, encryption_key: kms.IKey | None) -> logs.LogGroup:
    """Create a function's own log group, kept for two weeks. It never holds a line's content."""
    log_group = logs.LogGroup(
        scope,
        "LogGroup",
        retention=logs.RetentionDays.TWO_WEEKS,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        encryption_key=encryption_key,
    )
    if encryption_key is None:
        acknowledge_default_encryption(log_group)
    return log_group


def lambda_function(
    scope: Construct,
    *,
    package: str,
    description: str,
    log_group: logs.LogGroup,
    statements: Sequence[iam.PolicyStatement],
    environment: Mapping[str, str],
    memory_size: int,
    timeout: cdk.Duration,
    concurrency: int | None,
    no_network: str | None,
    nothing_reserved: str | None = None,
    module: str = "handler",
    vpc: ec2.IVpc | None = None,
) -> lambda_.Function:
    """Create a function and its role: ``Policy``, ``Role`` and ``Function`` in a scope.

    Args:
        scope: the parent construct.
        package: the package in ``runtime`` that has the function's module.
        description: the function's description.
        log_group: the log group that the function writes to.
        statements: further permissions of the function.
        environment: the environment variables that the function reads.
        memory_size: in megabytes.
        timeout: the longest duration of one invocation.
        concurrency: the reserved concurrency, which is also the limit; None reserves nothing.
        no_network: why the function needs no VPC; None with ``vpc``.
        nothing_reserved: why it needs no reserved concurrency; default: the options say so.
        module: the module in the package whose ``handler`` Lambda calls.
        vpc: the VPC of the function; default: none.
    """
    whole_name = f"{PACKAGE.name}.runtime.{package}.{module}"
    own_lines = iam.PolicyStatement(
        sid="WriteOwnLines",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[arn_for_policies(log_group)],
    )
    network = [_own_network_interfaces()] if vpc else []
    policy = iam.ManagedPolicy(scope, "Policy", statements=[*statements, own_lines, *network])
    if vpc:
        acknowledge(policy, {"AwsSolutions-IAM5[Resource::*]": _NETWORK_INTERFACES})
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"The {package} of openreplay-cw-stack",
        managed_policies=[policy],
    )
    function = lambda_.Function(
        scope,
        "Function",
        description=description,
        runtime=RUNTIME,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"{whole_name}.handler",
        code=lambda_.Code.from_asset(str(stage_function_files(package))),
        memory_size=memory_size,
        timeout=timeout,
        reserved_concurrent_executions=concurrency,
        # The role is immutable: otherwise other constructs add inline policies to it.
        role=role.without_policy_updates(),
        log_group=log_group,
        environment=environment,
        vpc=vpc,
    )
    acknowledge_function(function, no_network=no_network)
    if concurrency is None:
        acknowledge_nothing_reserved(function, nothing_reserved)
    return function


def whole_seconds(duration: cdk.Duration) -> int:
    """Return a duration in whole seconds, the unit of the functions' settings."""
    return round(duration.to_seconds())


def function_role(function: lambda_.Function) -> iam.IRole:
    """Return a function's role, so that another construct can attach a policy to it."""
    role = function.role
    assert role is not None  # noqa: S101
    return role


def acknowledge_no_queue(function: lambda_.Function) -> None:
    """Acknowledge that a function has no dead-letter queue, since its work is repeated anyway."""
    comes_again = (
        "Its callers see a failure and repeat the call, and a schedule invokes it every hour: a "
        "stored event would only repeat the work"
    )
    acknowledge(function, in_packs("LambdaDLQ", comes_again, ["Serverless", "HIPAA", "NIST"]))


def _own_network_interfaces() -> iam.PolicyStatement:
    """Return the permissions that Lambda needs for a function in a VPC.

    AWS documentation, "Giving Lambda functions access to resources in an Amazon VPC".
    """
    return iam.PolicyStatement(
        sid="JoinTheVpc",
        actions=[
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
        resources=["*"],
    )
