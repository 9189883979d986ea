"""Acknowledged findings of cdk-nag: each on the smallest construct, each with its reason.

An app runs version 3 or version 2 of cdk-nag. Version 3 reads the CDK's own acknowledgements, which
do not change the template. Version 2 reads the ``cdk_nag`` metadata of each resource, which becomes
part of the template, so this module writes it only if version 2 is installed. It imports neither.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import metadata

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from openreplay_cw_stack.infra.internal.log_groups import arn_for_policies


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge findings on a construct.

    Args:
        construct: the construct that the finding names, not one above it.
        reasons: the reason by the finding's id, without the rule pack's prefix path.
    """
    # Since 2.251 of the CDK; cdk-nag 3 needs a later one.
    if hasattr(cdk, "Validations"):
        validations = cdk.Validations.of(construct)
        for rule, reason in reasons.items():
            _acknowledge(validations, cdk.Acknowledgment(id=rule, reason=reason))
    if cdk_nag_2_is_installed():
        _suppress(construct, reasons)


def _acknowledge(validations: cdk.Validations, acknowledgment: cdk.Acknowledgment) -> None:
    try:
        validations.acknowledge(acknowledgment)
    except RuntimeError as error:
        # The CDK before 2.269 rejects ids that contain an ARN: such a finding stays open.
        if "InvalidValidationId" not in str(error):
            raise


@functools.cache
def cdk_nag_2_is_installed() -> bool:
    """Return whether version 2 of cdk-nag is installed."""
    try:
        return metadata.version("cdk-nag").startswith("2.")
    except metadata.PackageNotFoundError:
        return False


def _suppress(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Write the metadata that cdk-nag 2 reads, as its ``NagSuppressions`` does."""
    resource = construct.node.default_child or construct
    if not isinstance(resource, cdk.CfnResource):
        raise TypeError(f"neither {construct.node.path} nor its default child is a resource")
    before = resource.get_metadata(_CDK_NAG_2) or {_RULES: []}
    rules = [*before[_RULES], *(_rule(one, reason) for one, reason in reasons.items())]
    resource.add_metadata(_CDK_NAG_2, {_RULES: rules})


def _rule(finding: str, reason: str) -> dict[str, object]:
    """Return a suppression. The finding ``Rule[part]`` becomes the rule and a list of parts."""
    rule, _, part = finding.partition("[")
    if not part:
        return {"id": rule, "reason": reason}
    return {"id": rule, "reason": reason, "applies_to": [part.removesuffix("]")]}


_CDK_NAG_2 = "cdk_nag"
_RULES = "rules_to_suppress"


def in_packs(
    rule: str, reason: str, packs: Sequence[str] = ("HIPAA", "NIST", "PCI")
) -> dict[str, str]:
    """Return one reason for a rule that several packs have, by the finding's id in each pack.

    Args:
        rule: the rule's name without its pack.
        reason: why the finding is accepted.
        packs: some of ``AwsSolutions``, ``Serverless``, ``HIPAA``, ``NIST`` and ``PCI``.
    """
    return {f"{_PACK_PREFIXES[pack]}-{rule}": reason for pack in packs}


_PACK_PREFIXES = {
    "AwsSolutions": "AwsSolutions",
    "Serverless": "Serverless",
    "HIPAA": "HIPAA.Security",
    "NIST": "NIST.800.53.R5",
    "PCI": "PCI.DSS.321",
}


def acknowledge_default_encryption(log_group: logs.LogGroup) -> None:
    """Acknowledge that a log group has no customer managed key."""
    reason = (
        "CloudWatch Logs encrypts every log group with a key owned by AWS; encryption_key= sets a "
        "customer managed key"
    )
    acknowledge(log_group, in_packs("CloudWatchLogGroupEncrypted", reason))


def acknowledge_default_secret_encryption(secret: secretsmanager.Secret) -> None:
    """Acknowledge that a secret has no customer managed key."""
    reason = (
        "The account's key for Secrets Manager encrypts it; encryption_key= sets a customer "
        "managed key"
    )
    acknowledge(secret, in_packs("SecretsManagerUsingKMSKey", reason))


def acknowledge_function(function: lambda_.Function, *, no_network: str | None) -> None:
    """Acknowledge the findings that every function has.

    Args:
        function: a function without tracing.
        no_network: why it needs no VPC; None if it is in a VPC.
    """
    untraced = (
        "It makes one kind of call, whose errors and durations CloudWatch already records; a trace "
        "of every invocation would add cost without benefit"
    )
    acknowledge(
        function,
        {
            **in_packs("LambdaTracing", untraced, ["Serverless"]),
            **(in_packs("LambdaInsideVPC", no_network) if no_network else {}),
        },
    )


def acknowledge_nothing_reserved(function: lambda_.Function, reason: str | None = None) -> None:
    """Acknowledge that a function has no reserved concurrency.

    Args:
        function: a function without reserved concurrency.
        reason: why it needs none; default: the options set it to None.
    """
    reason = reason or (
        "The options set the reserved concurrency to None: an account with the initial quota of "
        "10 concurrent executions refuses any reservation"
    )
    acknowledge(function, in_packs("LambdaConcurrency", reason, ["HIPAA", "NIST"]))


def acknowledge_streams(policy: iam.ManagedPolicy, log_group: logs.ILogGroup) -> None:
    """Acknowledge the ``:*`` after a log group's name, if the template shows it.

    If the app creates the log group, the ARN is a reference, and cdk-nag reports nothing.
    """
    arn = _as_in_a_finding(cdk.Stack.of(policy).resolve(arn_for_policies(log_group)))
    if arn.endswith(":*"):
        acknowledge(
            policy,
            {
                f"AwsSolutions-IAM5[Resource::{arn}]": "The :* after the name of a log group "
                "stands for its log streams; a policy cannot name a smaller part of a log group"
            },
        )


def _as_in_a_finding(resolved: object) -> str:
    """Return a resolved value as cdk-nag writes it: references in angle brackets."""
    if isinstance(resolved, str):
        return resolved
    if isinstance(resolved, dict):
        if "Fn::Join" in resolved:
            separator, parts = resolved["Fn::Join"]
            return str(separator).join(map(_as_in_a_finding, parts))
        if "Ref" in resolved:
            return f"<{resolved['Ref']}>"
    return ""
