"""The service account for OpenReplay's CloudWatch page: an IAM user, its policy, key and secret.

OpenReplay v1.21 and later do not use it: ``backend/pkg/integrations`` has no CloudWatch client
since tag v1.21.0. The poller of OpenReplay up to v1.20 signs ``FilterLogEvents`` with this key
(``clients/cloudwatch.go`` at tag v1.20.0). It accepts a user's key, but cannot assume a role.
"""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IValidation
from typing_extensions import Unpack

from openreplay_cw_stack.infra.choices import ServiceAccountAccess
from openreplay_cw_stack.infra.internal.acknowledgements import (
    acknowledge,
    acknowledge_default_secret_encryption,
    acknowledge_streams,
    in_packs,
)
from openreplay_cw_stack.infra.internal.later import Later
from openreplay_cw_stack.infra.internal.log_groups import (
    arn_for_policies,
    describe,
    identity,
    longest_name,
)
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.options import ServiceAccountOptions

POLICY_CHARACTERS_ALLOWED = 6144
"""Characters of a managed policy without white space: IAM User Guide, "IAM and AWS STS quotas"."""

_MAX_PREFIX = len("arn:aws-us-gov:logs:ap-southeast-99:123456789012:log-group:")


class ServiceAccount(Construct):
    """An IAM user that can read log groups, with its access key in Secrets Manager.

    The secret is a JSON object with ``access_key_id``, ``secret_access_key``, ``region`` and
    ``log_group_name``: the four values of OpenReplay's form. The key reads raw lines, session
    tokens included.

    Attributes:
        user: the IAM user.
        access_key: its access key; None if the key is rotated.
        secret: the secret that holds the key.
        log_group_name: the name of the first log group that the key can read, as in the secret.
        source_ranges: the address ranges from which the key can be used; empty: all.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        **options: Unpack[ServiceAccountOptions],
    ) -> None:
        """Create the service account.

        With ``rotation``, a :class:`KeyRotation` creates all keys, including the first one. A key
        of CloudFormation would replace the rotated key. ``CLOUD_WATCH_READ_ONLY`` is an AWS managed
        policy and ignores ``allowed_source_ranges``.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            options: see :class:`ServiceAccountOptions`. :meth:`allow_reading` adds further log
                groups. Synthesis fails if there is no log group, or if the log groups do not fit
                into one policy.

        Raises:
            InvalidOptions: an option is wrong. This is a ValueError.
        """
        checked = check_options(ServiceAccountOptions, options)
        super().__init__(scope, construct_id)
        values = checked.resolve(self)
        access: ServiceAccountAccess = values.service_account_access
        encryption_key: kms.IKey | None = values.encryption_key
        group = iam.Group(self, "Group")
        self.user = iam.User(self, "User", user_name=values.user_name, groups=[group])
        limited = access is not ServiceAccountAccess.CLOUD_WATCH_READ_ONLY
        self.source_ranges: tuple[str, ...] = values.allowed_source_ranges if limited else ()
        self._log_groups: dict[str, logs.ILogGroup] = {}
        self._policy: iam.ManagedPolicy | None = None
        self._reading: iam.PolicyStatement | None = None
        self._allow(group, access)
        self.log_group_name = cdk.Lazy.string(Later(self._first_name))
        self.access_key: iam.AccessKey | None = None
        if values.rotation is not None:
            self.secret = self._secret_for_rotation(encryption_key)
        else:
            self.access_key = iam.AccessKey(
                self, "AccessKey", user=self.user, serial=values.key_serial
            )
            self.secret = self._secret_with_key(self.access_key, encryption_key)
        if encryption_key is None:
            acknowledge_default_secret_encryption(self.secret)
        for log_group in values.service_account_log_groups:
            self.allow_reading(log_group)
        self.node.add_validation(_LogGroupsValidation(self))
        cdk.Annotations.of(self).add_info_v2(
            "openreplay-cw-stack:service-account",
            "OpenReplay v1.21 and later do not use this access key. These versions dropped the "
            "CloudWatch integration and use the bridge instead. service_account=False removes the "
            "key",
        )

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The log groups that the key can read, in the order in which they were added."""
        return tuple(self._log_groups.values())

    def allow_reading(self, log_group: logs.ILogGroup) -> None:
        """Allow the key to read one more log group.

        Raises:
            ValueError: the key can already read it.
        """
        key = identity(log_group)
        if key in self._log_groups:
            raise ValueError(
                f"the service account already reads {describe(log_group)}: name every log group "
                "once"
            )
        self._log_groups[key] = log_group
        if self._policy is None:
            return
        if self._reading is None:
            self._reading = self._statement("ReadLogGroups", "logs:FilterLogEvents", log_group)
            self._policy.add_statements(self._reading)
        else:
            self._reading.add_resources(arn_for_policies(log_group))
        acknowledge_streams(self._policy, log_group)

    def grant_read_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to read the access key from its secret."""
        return self.secret.grant_read(grantee)

    def policy_characters(self) -> int:
        """Return the most characters of the key's policy, for the longest names at deployment.

        IAM counts characters without white space, and the CDK does not write any.
        """
        if self._policy is None:
            return 0
        document: dict[str, Any] = cdk.Stack.of(self).resolve(self._policy.document)
        for statement in document["Statement"]:
            if statement["Sid"] == "ReadLogGroups":
                statement["Resource"] = [
                    "x" * (_MAX_PREFIX + longest_name(one) + len(":*")) for one in self.log_groups
                ]
        return len(json.dumps(document, separators=(",", ":")))

    def _first_name(self) -> str:
        return next((one.log_group_name for one in self._log_groups.values()), "")

    def _allow(self, group: iam.Group, access: ServiceAccountAccess) -> None:
        if access is ServiceAccountAccess.CLOUD_WATCH_READ_ONLY:
            policy_name = "CloudWatchReadOnlyAccess"
            group.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name(policy_name))
            _acknowledge_read_only(group, policy_name)
            return
        self._policy = iam.ManagedPolicy(self, "Policy", groups=[group])
        if access is ServiceAccountAccess.SCOPED_AND_DESCRIBE:
            self._policy.add_statements(
                self._statement("ListLogGroups", "logs:DescribeLogGroups", None)
            )
            acknowledge(
                self._policy,
                {
                    "AwsSolutions-IAM5[Resource::*]": "SCOPED_AND_DESCRIBE requires it: "
                    "logs:DescribeLogGroups lists the log groups of an account, and supports no "
                    "narrower resource without a name prefix, which OpenReplay does not send"
                },
            )

    def _statement(
        self, sid: str, action: str, log_group: logs.ILogGroup | None
    ) -> iam.PolicyStatement:
        ranges = list(self.source_ranges)
        return iam.PolicyStatement(
            sid=sid,
            actions=[action],
            resources=["*" if log_group is None else arn_for_policies(log_group)],
            conditions={"IpAddress": {"aws:SourceIp": ranges}} if ranges else None,
        )

    def _secret_with_key(
        self, access_key: iam.AccessKey, encryption_key: kms.IKey | None
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
                "log_group_name": cdk.SecretValue.unsafe_plain_text(self.log_group_name),
            },
        )
        not_rotated = (
            "CloudFormation owns this key, and the next template change would overwrite a rotation "
            "by Secrets Manager. key_serial replaces the key, and rotation= rotates it"
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
        """Create a secret without a value in the template, which would undo a rotation."""
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


@jsii.implements(IValidation)
class _LogGroupsValidation:
    """Refuses a key without log groups, and a policy that is too long for IAM."""

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account

    def validate(self) -> list[str]:
        """The errors, one sentence each."""
        count = len(self._account.log_groups)
        if not count:
            return [
                "the service account has no log group to read: track one by its name, name some in "
                "service_account_log_groups, or omit the key with service_account=False"
            ]
        characters = self._account.policy_characters()
        if characters <= POLICY_CHARACTERS_ALLOWED:
            return []
        return [
            f"the service account reads {count} log groups, so its policy can have {characters} "
            f"characters, and IAM allows {POLICY_CHARACTERS_ALLOWED}: name only the log groups "
            "that OpenReplay reads in service_account_log_groups, or omit the key with "
            "service_account=False"
        ]


def _acknowledge_read_only(group: iam.Group, policy_name: str) -> None:
    arn = f"arn:<AWS::Partition>:iam::aws:policy/{policy_name}"
    acknowledge(
        group,
        {
            f"AwsSolutions-IAM4[Policy::{arn}]": "CLOUD_WATCH_READ_ONLY requires it, for parity "
            "with OpenReplay's page; SCOPED is the default"
        },
    )


_DESCRIPTION = "The access key of OpenReplay's CloudWatch integration"
