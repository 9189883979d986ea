"""The permissions of the rotation function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from openreplay_cw_stack.infra.internal.secrets import tagging_statement

if TYPE_CHECKING:
    from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
    from openreplay_cw_stack.infra.service_account import ServiceAccount


def rotation_statements(
    scope: Construct,
    *,
    secrets: Sequence[secretsmanager.Secret],
    reads_usage: bool,
    service_account: ServiceAccount | None,
    registrations: ProjectRegistrations | None,
    encryption_key: kms.IKey | None,
) -> list[iam.PolicyStatement]:
    """Return the statements of the rotation function's policy.

    Args:
        scope: a construct of its stack.
        secrets: the secrets that it rotates.
        reads_usage: whether it reads how often the bridge's keys are used.
        service_account: the service account whose access key it replaces, if there is one.
        registrations: the registrations whose functions it invokes, if there are any.
        encryption_key: encrypts the secrets.
    """
    arns = [secret.secret_arn for secret in secrets]
    statements = [
        iam.PolicyStatement(
            sid="RotateTheSecrets",
            actions=[
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            resources=arns,
        ),
        tagging_statement(arns),
    ]
    if reads_usage:
        statements.append(
            iam.PolicyStatement(
                sid="SeeWhichKeyIsUsed",
                actions=["cloudwatch:GetMetricStatistics"],
                resources=["*"],
            )
        )
    if service_account is not None:
        statements += _statements_of_service_account(scope, service_account)
    if registrations is not None:
        statements.append(
            iam.PolicyStatement(
                sid="HaveTheProjectsTold",
                actions=["lambda:InvokeFunction"],
                resources=[one.function_arn for one in registrations.functions.values()],
            )
        )
    if encryption_key is not None:
        statements.append(
            iam.PolicyStatement(
                sid="UseTheKey",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[encryption_key.key_arn],
            )
        )
    return statements


def _statements_of_service_account(
    scope: Construct, service_account: ServiceAccount
) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="ReplaceTheAccessKey",
            actions=[
                "iam:ListAccessKeys",
                "iam:CreateAccessKey",
                "iam:UpdateAccessKey",
                "iam:DeleteAccessKey",
                "iam:GetAccessKeyLastUsed",
            ],
            resources=[service_account.user.user_arn],
        ),
        iam.PolicyStatement(
            sid="GoOnWithARotation",
            actions=["secretsmanager:RotateSecret"],
            resources=[service_account.secret.secret_arn],
        ),
        iam.PolicyStatement(
            sid="SeeWhetherTheStackGoes",
            actions=["cloudformation:DescribeStacks"],
            resources=[cdk.Stack.of(scope).stack_id],
        ),
    ]
