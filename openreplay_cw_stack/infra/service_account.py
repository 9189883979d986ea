"""The service account of OpenReplay's CloudWatch page: an IAM user, its policy, its key, a secret.

Nothing in OpenReplay v1.21 and later uses it (``backend/pkg/integrations`` has no CloudWatch
client since tag v1.21.0); up to v1.20 its poller signs ``FilterLogEvents`` with this key
(``clients/cloudwatch.go`` at tag v1.20.0) and takes a user's key only, no role.
"""

from __future__ import annotations

import json
from enum import Enum

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from openreplay_cw_stack.infra.acknowledgements import (
    acknowledge,
    acknowledge_default_secret_encryption,
    acknowledge_streams_of,
    in_packs,
)
from openreplay_cw_stack.infra.log_groups import arn_for_policies


class ServiceAccountAccess(Enum):
    """What the service account's key may do."""

    SCOPED = "scoped"
    """``logs:FilterLogEvents`` on the linked log group: all that OpenReplay's poller calls."""
    SCOPED_AND_DESCRIBE = "scoped_and_describe"
    """That, and ``logs:DescribeLogGroups``: OpenReplay up to v1.14 lists groups in a form."""
    CLOUD_WATCH_READ_ONLY = "cloud_watch_read_only"
    """AWS's CloudWatchReadOnlyAccess, as OpenReplay's page asks for: it reads every log group,
    metric and alarm of the account."""


class ServiceAccount(Construct):
    """An IAM user that can read one log group, with its access key in Secrets Manager.

    The secret is a JSON object with ``access_key_id``, ``secret_access_key``, ``region`` and
    ``log_group_name``: the four values of OpenReplay's form.

    Attributes:
        user: the IAM user.
        access_key: its access key; None where the key is rotated.
        secret: the secret that holds the key.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_group: logs.ILogGroup,
        access: ServiceAccountAccess = ServiceAccountAccess.SCOPED,
        user_name: str | None = None,
        key_serial: int = 1,
        rotated: bool = False,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create the service account.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            log_group: the group that the key may read; its name goes into the secret.
            access: what the key may do.
            user_name: the IAM user's name, 1 to 64 characters; default: generated. An IAM user is
                global: a given name allows one such deployment in an account.
            key_serial: a higher number makes CloudFormation create a new key and then delete the
                old one. At least 1. The user must have no second key at that moment.
            rotated: leave the key to a :class:`KeyRotation`, which makes the first one as well.
                CloudFormation has none then, since it would take the rotated one back.
            encryption_key: encrypts the secret; default: the account's key for Secrets Manager.

        Raises:
            ValueError: ``key_serial`` is below 1, or set though the key is rotated; or
                ``user_name`` is no IAM user name.
        """
        _check(key_serial, user_name, rotated)
        super().__init__(scope, construct_id)
        group = iam.Group(self, "Group")
        self.user = iam.User(self, "User", user_name=user_name, groups=[group])
        self._allow(group, access, log_group)
        self.access_key: iam.AccessKey | None = None
        if rotated:
            self.secret = self._secret_for_rotation(encryption_key)
        else:
            self.access_key = iam.AccessKey(self, "AccessKey", user=self.user, serial=key_serial)
            self.secret = self._secret_with_key(self.access_key, log_group, encryption_key)
        if encryption_key is None:
            acknowledge_default_secret_encryption(self.secret)

    def grant_read_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody read the access key from its secret."""
        return self.secret.grant_read(grantee)

    def _allow(
        self, group: iam.Group, access: ServiceAccountAccess, log_group: logs.ILogGroup
    ) -> None:
        if access is ServiceAccountAccess.CLOUD_WATCH_READ_ONLY:
            policy_name = "CloudWatchReadOnlyAccess"
            group.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name(policy_name))
            _acknowledge_read_only(group, policy_name)
            return
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            groups=[group],
            statements=[
                iam.PolicyStatement(
                    sid="ReadTheLinkedLogGroup",
                    actions=["logs:FilterLogEvents"],
                    resources=[arn_for_policies(log_group)],
                )
            ],
        )
        acknowledge_streams_of(policy, log_group)
        if access is ServiceAccountAccess.SCOPED_AND_DESCRIBE:
            policy.add_statements(
                iam.PolicyStatement(
                    sid="ListLogGroups", actions=["logs:DescribeLogGroups"], resources=["*"]
                )
            )
            acknowledge(
                policy,
                {
                    "AwsSolutions-IAM5[Resource::*]": "Asked for with SCOPED_AND_DESCRIBE: "
                    "logs:DescribeLogGroups lists the groups of an account and takes no narrower "
                    "resource without a name prefix, which OpenReplay does not send"
                },
            )

    def _secret_with_key(
        self, access_key: iam.AccessKey, log_group: logs.ILogGroup, encryption_key: kms.IKey | None
    ) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "Secret",
            description=_DESCRIPTION,
            encryption_key=encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            secret_object_value={
                "access_key_id": cdk.SecretValue.unsafe_plain_text(access_key.access_key_id),
                "secret_access_key": access_key.secret_access_key,
                "region": cdk.SecretValue.unsafe_plain_text(cdk.Stack.of(self).region),
                "log_group_name": cdk.SecretValue.unsafe_plain_text(log_group.log_group_name),
            },
        )
        not_rotated = (
            "CloudFormation owns this key: rotation by Secrets Manager would be overwritten by the "
            "next template change. key_serial replaces the key, and rotation= rotates it"
        )
        acknowledge(
            secret,
            {
                **in_packs("SMG4", not_rotated, ["AwsSolutions"]),
                **in_packs("SecretsManagerRotationEnabled", not_rotated, ["HIPAA", "NIST"]),
            },
        )
        return secret

    def _secret_for_rotation(self, encryption_key: kms.IKey | None) -> secretsmanager.Secret:
        """A secret of its own: a template change of the other's value would undo a rotation."""
        return secretsmanager.Secret(
            self,
            "RotatedSecret",
            description=_DESCRIPTION,
            encryption_key=encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({}),
                generate_string_key="until_the_first_rotation",
                exclude_punctuation=True,
            ),
        )


def _acknowledge_read_only(group: iam.Group, policy_name: str) -> None:
    arn = f"arn:<AWS::Partition>:iam::aws:policy/{policy_name}"
    acknowledge(
        group,
        {
            f"AwsSolutions-IAM4[Policy::{arn}]": "Asked for with CLOUD_WATCH_READ_ONLY, for "
            "parity with OpenReplay's page; SCOPED is the default"
        },
    )


_DESCRIPTION = "The access key of OpenReplay's CloudWatch integration"
_USER_NAME_CHARACTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@-_"
)


def _check(key_serial: int, user_name: str | None, rotated: bool) -> None:
    if rotated and key_serial != 1:
        raise ValueError(
            f"key_serial={key_serial} replaces a key that is not rotated: leave it out, or rotation"
        )
    if key_serial < 1:
        raise ValueError(
            f"key_serial must be 1 or more, not {key_serial}; raise it to get a new key"
        )
    if user_name is None or cdk.Token.is_unresolved(user_name):
        return
    if not 1 <= len(user_name) <= 64 or not _USER_NAME_CHARACTERS.issuperset(user_name):
        raise ValueError(
            f"user_name {user_name!r} is no IAM user name: use 1 to 64 letters, digits and the "
            "characters '+=,.@-_', or None for a generated name"
        )
