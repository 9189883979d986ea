"""Rotation of the bridge's API key and of the service account's access key.

AWS documentation, "Rotate AWS Secrets Manager secrets": Secrets Manager invokes the function for
each step of a scheduled rotation. If a person enters the key in OpenReplay, the old key stays valid
until OpenReplay uses the new one; see ``openreplay_cw_stack.runtime.rotation``.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from typing_extensions import Unpack

from openreplay_cw_stack.contract.limits import KEY_REFRESH_SECONDS
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge
from openreplay_cw_stack.infra.internal.lambda_function import (
    acknowledge_no_queue,
    function_role,
    lambda_function,
    own_log_group,
)
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.internal.rotation_policy import rotation_statements
from openreplay_cw_stack.infra.internal.schedules import invoke_each_hour
from openreplay_cw_stack.infra.observability.metrics import deployment_metric
from openreplay_cw_stack.infra.options import RotationOptions
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.service_account import ServiceAccount
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.runtime.rotation.settings import Settings

# The longest time in which one run of a step stores the key that it created.
_ORPHAN_AFTER_SECONDS = 60
_FOLLOWED_WITHIN = cdk.Duration.minutes(6)
_SPARE_SECONDS = 10
_NOBODY_FLOODS = (
    "Only Secrets Manager, a schedule and CloudFormation invoke it: nothing outside the account "
    "can use up its concurrency"
)


class KeyRotation(Construct):
    """Rotates the keys of one deployment.

    Attributes:
        function: the rotation function.
        log_group: the function's own log group. It never holds a key.
        deployment: the value of the metric dimension ``Deployment``.
        every: the time between two rotations of a key.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        bridge: SessionSearchBridge | None = None,
        service_account: ServiceAccount | None = None,
        registrations: ProjectRegistrations | None = None,
        encryption_key: kms.IKey | None = None,
        **options: Unpack[RotationOptions],
    ) -> None:
        """Create the rotation function and its schedules.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            deployment: the value of the metric dimension ``Deployment``.
            bridge: the bridge whose API key is rotated.
            service_account: the service account whose access key is rotated. It must have the same
                ``rotation``.
            registrations: registers the bridge's new keys.
            encryption_key: encrypts the secrets and the function's own log group.
            options: see :class:`RotationOptions`; ``rotation`` is required.

        Raises:
            InvalidOptions: an option is wrong. This is a ValueError.
            ValueError: there is no key to rotate, or no ``rotation``.
        """
        values = check_options(RotationOptions, options).values
        every, grace = values["rotation"], values["rotation_grace"]
        if every is None:
            raise ValueError("rotation: give the time between two rotations as a cdk.Duration")
        if bridge is None and service_account is None:
            raise ValueError(
                "rotation: there is no key to rotate, since bridge and service_account are both "
                "False"
            )
        super().__init__(scope, construct_id)
        self.deployment = deployment
        self.every = every
        self.log_group = own_log_group(self, encryption_key)
        settings = Settings(
            deployment=deployment,
            stack_id=cdk.Stack.of(self).stack_id,
            grace=grace.to_seconds(),
            notice=_notice_seconds(grace),
            orphan_after=_ORPHAN_AFTER_SECONDS,
            known_after=KEY_REFRESH_SECONDS + _SPARE_SECONDS,
            api_key_secret_arn=bridge.secret.secret_arn if bridge else None,
            access_key_secret_arn=service_account.secret.secret_arn if service_account else None,
            user_name=service_account.user.user_name if service_account else "",
            reader_log_group=service_account.log_group_name if service_account else "",
            reader_addresses_limited=bool(service_account and service_account.source_ranges),
            api_key_projects=registrations.project_names if registrations else (),
            registration_functions=registrations.function_names if registrations else (),
        )
        secrets = [part.secret for part in (bridge, service_account) if part is not None]
        self.function = lambda_function(
            self,
            package="rotation",
            description="Rotates the keys that OpenReplay uses",
            log_group=self.log_group,
            statements=rotation_statements(
                self,
                secrets=secrets,
                reads_usage=bridge is not None,
                service_account=service_account,
                registrations=registrations,
                encryption_key=encryption_key,
            ),
            environment=settings.to_environment(),
            memory_size=256,
            timeout=cdk.Duration.minutes(5),
            concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network="It calls the public endpoints of IAM, Secrets Manager, CloudWatch and "
            "AWS Lambda over TLS, accepts no connection, and reaches nothing in a VPC",
        )
        self._acknowledge(bridge is not None)
        permission = self._let_secrets_manager_invoke()
        for secret in secrets:
            # The bridge already has a key; the first rotation creates the service account's.
            first = service_account is not None and secret is service_account.secret
            schedule = secretsmanager.CfnRotationSchedule(
                secret,
                "Rotation",
                secret_id=secret.secret_arn,
                rotation_lambda_arn=self.function.function_arn,
                rotate_immediately_on_update=first,
                rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                    schedule_expression=_rate(every)
                ),
            )
            schedule.node.add_dependency(permission, self.function)
            if first and service_account is not None:
                self._follow_deployments(service_account, schedule, registrations)
        invoke_each_hour(self, self.function, "Checks the use of rotated keys")

    def metric(
        self,
        metric_name: str,
        dimensions: dict[str, str] | None = None,
        *,
        statistic: str = "Sum",
        period: cdk.Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return a metric of the rotation, over five minutes by default."""
        return deployment_metric(
            self.deployment,
            metric_name,
            dimensions,
            statistic=statistic,
            period=period,
            label=label,
            color=color,
        )

    def _let_secrets_manager_invoke(self) -> lambda_.CfnPermission:
        return lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="secretsmanager.amazonaws.com",
            source_account=cdk.Stack.of(self).account,
        )

    def _follow_deployments(
        self,
        service_account: ServiceAccount,
        schedule: secretsmanager.CfnRotationSchedule,
        registrations: ProjectRegistrations | None,
    ) -> None:
        """Create two resources: one waits for the first key, the other deletes all keys.

        The resource that deletes the keys is created before the schedule, so that a rollback always
        deletes the keys. It deletes them after the schedule and before the user. The user and the
        secret are created before the function, whose policy names both.
        """
        user_name = service_account.user.user_name
        keys = cdk.CustomResource(
            self,
            "Keys",
            resource_type="Custom::OpenReplayAccessKeys",
            service_token=self.function.function_arn,
            service_timeout=_FOLLOWED_WITHIN,
            properties={"Task": "delete_keys", "UserName": user_name},
        )
        schedule.node.add_dependency(keys)
        first_key = cdk.CustomResource(
            self,
            "FirstKey",
            resource_type="Custom::OpenReplayFirstKey",
            service_token=self.function.function_arn,
            service_timeout=_FOLLOWED_WITHIN,
            # A changed log group is noted with the key.
            properties={
                "Task": "wait_for_key",
                "UserName": user_name,
                "LogGroupName": service_account.log_group_name,
            },
        )
        first_key.node.add_dependency(schedule, service_account, self._let_it_ask_for_a_rotation())
        if registrations is not None:
            registrations.register_after(first_key)

    def _let_it_ask_for_a_rotation(self) -> iam.ManagedPolicy:
        """Allow the function to call RotateSecret.

        AWS API reference, "RotateSecret": the caller needs permission to invoke the rotation
        function. This is a separate policy, since the function depends on its first policy.
        """
        return iam.ManagedPolicy(
            self,
            "MayInvokeItself",
            roles=[function_role(self.function)],
            statements=[
                iam.PolicyStatement(
                    sid="GoOnWithARotation",
                    actions=["lambda:InvokeFunction"],
                    resources=[self.function.function_arn],
                )
            ],
        )

    def _acknowledge(self, reads_metrics: bool) -> None:
        acknowledge_no_queue(self.function)
        if reads_metrics:
            policy = self.node.find_child("Policy")
            acknowledge(
                policy,
                {
                    "AwsSolutions-IAM5[Resource::*]": "cloudwatch:GetMetricStatistics takes no "
                    "resource; it reads how often each key was used, so that no key is disabled "
                    "while OpenReplay still uses it"
                },
            )


def _rate(every: cdk.Duration) -> str:
    """Return the schedule. Secrets Manager User Guide, "Schedule expressions": hours or days."""
    hours = int(every.to_hours())
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"rate({number} {unit}{'' if number == 1 else 's'})"


def _notice_seconds(grace: cdk.Duration) -> float:
    """Return how long a new key can be unused before the alarm, which leaves time to act."""
    return float(min(cdk.Duration.days(1).to_seconds(), grace.to_seconds() / 2))
