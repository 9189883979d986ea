"""The construct of the whole integration, for use in other CDK apps."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from typing_extensions import Unpack

from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge_default_encryption
from openreplay_cw_stack.infra.internal.encryption import grant_to_log_groups
from openreplay_cw_stack.infra.internal.idle_parts import IdleParts
from openreplay_cw_stack.infra.internal.option_checks import Values, check_argument, check_options
from openreplay_cw_stack.infra.internal.option_kinds import Choice
from openreplay_cw_stack.infra.internal.option_resources import LOG_GROUP
from openreplay_cw_stack.infra.internal.removal import kept_once_deployed
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.observability.metrics import deployment_name
from openreplay_cw_stack.infra.observability.monitoring import Monitoring
from openreplay_cw_stack.infra.open_replay_project import default_replay_url
from openreplay_cw_stack.infra.options import (
    BridgeOptions,
    MonitoringOptions,
    OpenReplayCloudWatchOptions,
    RotationOptions,
    ServiceAccountOptions,
    ValidatorOptions,
)
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.service_account import ServiceAccount
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.session_table import (
    check_session_table,
    new_session_table,
    statements_to_read,
)
from openreplay_cw_stack.infra.tagging_layer import TaggingLayer, TaggingOptions
from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import Verdict

_REJECTIONS = Choice({str(one): one for one in Verdict if one is not Verdict.LINKABLE})


class OpenReplayCloudWatch(Construct):
    """CloudWatch log lines beside OpenReplay's session replays.

    The validator judges the lines of tracked log groups and stores the ones that OpenReplay can
    link in the session table. The bridge answers OpenReplay v1.21 and later from that table.

    Attributes:
        session_table: holds the linked lines.
        validator: judges the tracked lines.
        bridge: answers OpenReplay's Elasticsearch integration; None if ``bridge`` is False.
        service_account: the IAM user for OpenReplay up to v1.20; None if ``service_account`` is
            False.
        rotation: rotates the keys; None without ``rotation``.
        registrations: registers the bridge with OpenReplay projects; None without
            ``openreplay_projects``.
        monitoring: alarms, their topic, and the dashboard.
    """

    def __init__(
        self, scope: Construct, construct_id: str, **options: Unpack[OpenReplayCloudWatchOptions]
    ) -> None:
        """Build the integration.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            options: see :class:`OpenReplayCloudWatchOptions`. Options that take a log group,
                secret, key, topic or table also accept its name or ARN. Options that take an enum
                also accept the value of a member.

        Raises:
            TypeError: an option is unknown.
            InvalidOptions: a value is wrong, or options contradict each other. This is a
                ValueError.
        """
        checked = check_options(OpenReplayCloudWatchOptions, options)
        if not isinstance(checked.values["session_table"], str):
            check_session_table(checked.values["session_table"])
        super().__init__(scope, construct_id)
        values = checked.resolve(self)
        checked.warn_of_options_without_effect(self)
        self._values = values
        self._tagging_layer: TaggingLayer | None = None
        if values.encryption_key is not None:
            grant_to_log_groups(values.encryption_key, cdk.Stack.of(self))
        self.session_table: dynamodb.ITable = values.session_table or new_session_table(
            self,
            "SessionTable",
            write_limit=values.session_table_write_limit,
            removal_policy=values.removal_policy,
            encryption_key=values.encryption_key,
        )
        self.validator = TokenValidator(
            self,
            "Validator",
            session_table=self.session_table,
            deployment=deployment_name(self),
            **{
                **values.of(ValidatorOptions),
                "replay_url": values.replay_url or default_replay_url(values.openreplay_projects),
            },
        )
        self.service_account = self._new_service_account(values)
        self.bridge = self._new_bridge(values)
        self.registrations = self._new_registrations(values)
        self.rotation = self._new_rotation(values)
        self._refuse_own_log_groups()
        if values.track_account:
            self.validator.subscribe_account(values.excluded_log_groups)
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            validator=self.validator,
            session_table=None if values.session_table else self.session_table,
            bridge=self.bridge,
            rotation=self.rotation,
            registrations=self.registrations,
            checks_signatures=values.token_secret is not None,
            **values.of(MonitoringOptions),
        )
        for name in values.new_log_groups:
            self.track(self._new_log_group(name))
        for log_group in values.log_groups:
            self.track(log_group)
        self._idle_parts = IdleParts(self, self.validator)

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The tracked log groups."""
        return self.validator.log_groups

    @property
    def user(self) -> iam.User | None:
        """The service account's IAM user."""
        return self.service_account.user if self.service_account else None

    @property
    def secret(self) -> secretsmanager.Secret | None:
        """The secret that holds the service account's key."""
        return self.service_account.secret if self.service_account else None

    @property
    def dashboard(self) -> cloudwatch.Dashboard | None:
        """The dashboard."""
        return self.monitoring.dashboard

    def track(self, log_group: logs.ILogGroup | str) -> None:
        """Track one more log group.

        Args:
            log_group: a log group, its name or its ARN.

        Raises:
            ValueError: the log group is already tracked, belongs to this deployment, is in another
                account or region, or its class does not support subscription filters.
        """
        group: logs.ILogGroup = check_argument(LOG_GROUP, "log_group", log_group, self)
        subscription_filter = self.validator.subscribe(group)
        self.monitoring.watch_delivery(group, subscription_filter)
        if self.service_account is not None and not self._values.service_account_log_groups:
            self.service_account.allow_reading(group)

    def tag_errors_of(self, function: lambda_.IFunction, **options: Unpack[TaggingOptions]) -> None:
        """Tag the log lines of a Python or Node.js function without a change to its code.

        This does not track the function's log group: call ``track(function.log_group)``. See
        :meth:`TaggingLayer.tag_errors_of` for the arguments and errors.
        """
        if self._tagging_layer is None:
            self._tagging_layer = TaggingLayer(self, "TaggingLayer")
        self._tagging_layer.tag_errors_of(function, **options)
        self._idle_parts.add_tagged_function(function)

    def grant_read_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to read the service account's key from its secret.

        Raises:
            ValueError: ``service_account`` is False.
        """
        if self.service_account is None:
            raise ValueError("there is no key to read: service_account is False")
        return self.service_account.grant_read_key(grantee)

    def grant_read_lines(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to query the session table for the linked lines of a session."""
        grants = [
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=statement.actions,
                resource_arns=statement.resources,
                conditions=statement.conditions,
            )
            for statement in statements_to_read(self.session_table)
        ]
        return grants[0].combine(grants[1]) if len(grants) > 1 else grants[0]

    def metric_linkable(self, *, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Return the metric of linkable lines: a sum, over five minutes by default."""
        return self.validator.metric_lines(Verdict.LINKABLE, period=period)

    def metric_rejected(
        self, verdict: Verdict | str, *, period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the metric of lines that were rejected with one verdict: a sum.

        Args:
            verdict: a verdict other than ``linkable``, or its value.
            period: the period of the sum; default: five minutes.

        Raises:
            ValueError: the verdict is unknown or ``linkable``.
        """
        if verdict == Verdict.LINKABLE:
            raise ValueError("linkable is not a rejection: use metric_linkable()")
        rejection: Verdict = check_argument(_REJECTIONS, "verdict", verdict, self)
        return self.validator.metric_lines(rejection, period=period)

    def _new_service_account(self, values: Values) -> ServiceAccount | None:
        if not values.service_account:
            return None
        return ServiceAccount(self, "ServiceAccount", **values.of(ServiceAccountOptions))

    def _new_bridge(self, values: Values) -> SessionSearchBridge | None:
        if not values.bridge:
            return None
        return SessionSearchBridge(
            self,
            "Bridge",
            session_table=self.session_table,
            retry_queue=self.validator.retry_queue,
            deployment=self.validator.deployment,
            **values.of(BridgeOptions),
        )

    def _new_registrations(self, values: Values) -> ProjectRegistrations | None:
        if not values.openreplay_projects or self.bridge is None:
            return None
        return ProjectRegistrations(
            self,
            "Registrations",
            projects=values.openreplay_projects,
            deployment=self.validator.deployment,
            bridge=self.bridge,
            encryption_key=values.encryption_key,
        )

    def _new_rotation(self, values: Values) -> KeyRotation | None:
        if values.rotation is None:
            return None
        return KeyRotation(
            self,
            "Rotation",
            deployment=self.validator.deployment,
            bridge=self.bridge,
            service_account=self.service_account,
            registrations=self.registrations,
            encryption_key=values.encryption_key,
            **values.of(RotationOptions),
        )

    def _refuse_own_log_groups(self) -> None:
        own: list[tuple[str, logs.ILogGroup]] = []
        if self.bridge is not None:
            own.append(("the bridge's", self.bridge.log_group))
        if self.rotation is not None:
            own.append(("the rotation's", self.rotation.log_group))
        if self.registrations is not None:
            own += [("a registration's", one) for one in self.registrations.log_groups]
        for whose, log_group in own:
            self.validator.refuse(
                log_group, f"it is {whose} own log group, which has no lines of your applications"
            )
        for child in self.node.find_all():
            if isinstance(child, logs.LogGroup) and not self.validator.is_refused(child):
                self.validator.refuse(
                    child, "it belongs to this deployment and has no lines of your applications"
                )

    def _new_log_group(self, name: str) -> logs.LogGroup:
        key = self._values.encryption_key
        log_group = logs.LogGroup(
            self,
            f"LogGroup{name}",
            log_group_name=name,
            retention=self._values.log_retention,
            removal_policy=kept_once_deployed(self._values.removal_policy),
            encryption_key=key,
        )
        if key is None:
            acknowledge_default_encryption(log_group)
        return log_group
