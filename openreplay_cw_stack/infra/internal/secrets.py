"""Policy statements for secrets in Secrets Manager."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

_OUR_TAGS = "openreplay-cw-stack:*"


def readable_arn(secret: secretsmanager.ISecret) -> str:
    """Return the ARN for a policy. A secret imported by name lacks the six random characters."""
    return secret.secret_full_arn or f"{secret.secret_arn}-??????"


def tagging_statement(
    secret_arns: Sequence[str], *, and_untag: bool = False
) -> iam.PolicyStatement:
    """Allow a function to set only the tags that record which keys OpenReplay has."""
    actions = ["secretsmanager:TagResource"]
    if and_untag:
        actions.append("secretsmanager:UntagResource")
    return iam.PolicyStatement(
        sid="NoteOnTheSecret",
        actions=actions,
        resources=list(secret_arns),
        conditions={"ForAllValues:StringLike": {"aws:TagKeys": [_OUR_TAGS]}},
    )
