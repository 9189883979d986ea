"""Acknowledged findings of cdk-nag: each on the smallest construct, each with its reason.

Acknowledging leaves the template as it is and does nothing in an app that does not run cdk-nag.
"""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import IConstruct

from openreplay_cw_stack.infra.log_groups import arn_for_policies


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge findings on a construct.

    Args:
        construct: the construct that the finding names, not one above it.
        reasons: the reason by the finding's id, without the rule pack's prefix path.
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items())
    )


def acknowledge_default_encryption(log_group: logs.LogGroup) -> None:
    """Acknowledge that a log group of ours has no customer managed key."""
    reason = (
        "CloudWatch Logs encrypts every log group with a key owned by AWS; encryption_key= sets a "
        "customer managed one"
    )
    acknowledge(
        log_group,
        {
            "HIPAA.Security-CloudWatchLogGroupEncrypted": reason,
            "NIST.800.53.R5-CloudWatchLogGroupEncrypted": reason,
            "PCI.DSS.321-CloudWatchLogGroupEncrypted": reason,
        },
    )


def acknowledge_streams_of(policy: iam.ManagedPolicy, log_group: logs.ILogGroup) -> None:
    """Acknowledge the ``:*`` behind a log group's name, where the template shows it.

    It is hidden in the ARN of a log group that the app creates, and then there is no finding.
    """
    arn = _as_in_a_finding(cdk.Stack.of(policy).resolve(arn_for_policies(log_group)))
    if arn.endswith(":*"):
        acknowledge(
            policy,
            {
                f"AwsSolutions-IAM5[Resource::{arn}]": "The :* behind the name of a log group "
                "means its log streams: no policy can name less of a log group than this"
            },
        )


def _as_in_a_finding(resolved: object) -> str:
    """A resolved value as cdk-nag writes it: references in angle brackets."""
    if isinstance(resolved, str):
        return resolved
    if isinstance(resolved, dict):
        if "Fn::Join" in resolved:
            separator, parts = resolved["Fn::Join"]
            return str(separator).join(map(_as_in_a_finding, parts))
        if "Ref" in resolved:
            return f"<{resolved['Ref']}>"
    return ""
