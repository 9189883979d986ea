"""Permissions of AWS services to use a customer managed key."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms


def grant_to_log_groups(key: kms.IKey, stack: cdk.Stack) -> None:
    """Allow CloudWatch Logs to use a key for the log groups of a stack's account and region.

    AWS documentation, "Encrypt log data in CloudWatch Logs using AWS Key Management Service".
    The app cannot change the policy of an imported key, which must have the permission already.
    """
    log_groups = stack.format_arn(
        service="logs", resource="log-group", resource_name="*", arn_format=_COLON
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="LetCloudWatchLogsUseTheKey",
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
            actions=[
                "kms:Encrypt*",
                "kms:Decrypt*",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:Describe*",
            ],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        )
    )


def grant_to_alarms(key: kms.IKey) -> None:
    """Allow CloudWatch alarms to publish to a topic that is encrypted with a key.

    AWS documentation, "Amazon SNS key management", on event sources and encrypted topics.
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="LetCloudWatchAlarmsUseTheKey",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
        )
    )


_COLON = cdk.ArnFormat.COLON_RESOURCE_NAME
