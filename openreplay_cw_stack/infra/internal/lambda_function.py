"""What our Lambda functions have in common: code, a role, a log group."""

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
    "AWS Lambda makes the network interfaces of a function in a VPC with the function's role; "
    "their ids are not known before, and AWS documents this statement with this resource"
)


def own_log_group(scope: Construct, encryption_key: kms.IKey | None) -> logs.LogGroup:
    """A function's own log group, kept for two weeks. It never holds a line's content."""
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
    """A function of ours with a role of its own: ``Policy``, ``Role`` and ``Function`` in a scope.

    Args:
        scope: the construct that the function is the heart of.
        package: the package in ``runtime`` that has its module.
        description: of the function.
        log_group: its own, which it may write to.
        statements: what else it may do.
        environment: as its settings read it.
        memory_size: megabytes.
        timeout: of one invocation.
        concurrency: how many of it are reserved and run at most; None reserves nothing.
        no_network: why it needs no VPC; None in one.
        nothing_reserved: why it needs no reserved concurrency; default: that it was asked for.
        module: the module in the package whose ``handler`` is called.
        vpc: where it runs; default: in none.
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
        # The role is complete as it is; other constructs would add inline policies.
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
    """A duration as a function's settings have it: in whole seconds."""
    return round(duration.to_seconds())


def function_role(function: lambda_.Function) -> iam.IRole:
    """The role of a function of ours, for a policy that is attached from elsewhere."""
    role = function.role
    assert role is not None  # noqa: S101
    return role


def acknowledge_no_queue(function: lambda_.Function) -> None:
    """Acknowledge that a function of ours has no dead-letter queue: its work comes again."""
    comes_again = (
        "Its callers see a failure and repeat the call, and it runs each hour by itself: an "
        "event that was kept would only be done twice"
    )
    acknowledge(function, in_packs("LambdaDLQ", comes_again, ["Serverless", "HIPAA", "NIST"]))


def _own_network_interfaces() -> iam.PolicyStatement:
    """AWS documentation, "Giving Lambda functions access to resources in an Amazon VPC"."""
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
