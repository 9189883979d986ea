"""The construct to import: everything between tracked log groups and OpenReplay."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from openreplay_cw_stack.infra.ingest_stream import Ingest
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge_default_encryption
from openreplay_cw_stack.infra.internal.encryption import let_log_groups_use
from openreplay_cw_stack.infra.internal.log_groups import check_log_group_name, describe
from openreplay_cw_stack.infra.key_rotation import DEFAULT_GRACE, KeyRotation, check_rotation
from openreplay_cw_stack.infra.observability.metrics import deployment_name
from openreplay_cw_stack.infra.observability.monitoring import Monitoring
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.service_account import ServiceAccount, ServiceAccountAccess
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge, check_source_ranges
from openreplay_cw_stack.infra.session_table import (
    DEFAULT_LINE_RETENTION,
    check_session_table,
    new_session_table,
    statements_to_read,
)
from openreplay_cw_stack.infra.tagging_layer import TaggingLayer
from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME


class OpenReplayCloudWatch(Construct):
    """CloudWatch log lines beside OpenReplay's session replays.

    The validator judges the lines of tracked log groups and stores the ones that OpenReplay can
    link in the session table. The bridge answers OpenReplay v1.21 and later from that table.

    Attributes:
        session_table: holds the linked lines.
        validator: judges the tracked lines.
        bridge: answers OpenReplay's Elasticsearch integration; None where it was switched off.
        service_account: None where it was switched off.
        rotation: replaces the keys; None where it was not asked for.
        registrations: tells OpenReplay projects; None without ``openreplay_projects``.
        monitoring: alarms, their topic, and the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_groups: Sequence[logs.ILogGroup] = (),
        new_log_groups: Sequence[str] = (),
        track_account: bool = False,
        untracked_log_groups: Sequence[str] = (),
        ingest: Ingest = Ingest.DIRECT,
        source_accounts: Sequence[str] = (),
        session_table: dynamodb.ITable | None = None,
        session_table_write_limit: int | None = None,
        line_retention: cdk.Duration | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        token_secret: secretsmanager.ISecret | None = None,
        accept_unsigned_ids: bool = False,
        service_account: bool = True,
        service_account_access: ServiceAccountAccess = ServiceAccountAccess.SCOPED,
        service_account_log_groups: Sequence[logs.ILogGroup] = (),
        user_name: str | None = None,
        key_serial: int = 1,
        rotation: cdk.Duration | None = None,
        rotation_grace: cdk.Duration | None = None,
        openreplay_projects: Sequence[OpenReplayProject] = (),
        bridge: bool = True,
        bridge_domain_name: apigatewayv2.IDomainName | None = None,
        bridge_reserved_concurrency: int | None = 5,
        allowed_source_ranges: Sequence[str] = (),
        settle: cdk.Duration | None = None,
        session_lifetime: cdk.Duration | None = None,
        hold_until_over: bool = False,
        show_log_group: bool = True,
        encryption_key: kms.IKey | None = None,
        reserved_concurrency: int | None = 10,
        detailed_metrics: bool = False,
        alarm_topic: sns.ITopic | None = None,
        dashboard: bool = True,
    ) -> None:
        """Build the integration.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            log_groups: existing log groups to track, or ones of your app.
            new_log_groups: names of log groups to create and to track.
            track_account: track every log group of the account and region that there is and will
                be, with one subscription, in place of log groups by name. An account has one such
                subscription in a region.
            untracked_log_groups: with it, names of log groups to leave out, 25 KB in all at most.
            ingest: how lines get to the validator; ``KINESIS`` for what is more than Lambda runs
                at once, and for other accounts.
            source_accounts: with ``KINESIS``, ids of the other accounts that may send their lines,
                to ``validator.ingest.destination``.
            session_table: an existing session table, also of another region or account, so that
                several deployments share one bridge; default: a new one. Its keys and its time to
                live are those of the new one: see :func:`new_session_table`.
            session_table_write_limit: write units a second that the new table takes at most, as a
                cost brake. What is above it waits in the retry queue for up to a day. Default:
                none.
            line_retention: how long a linked line is kept, 1 to 3653 days; default: 30 days.
            log_retention: of the log groups created here.
            removal_policy: of the session table and the log groups created here, when they leave
                the stack.
            token_secret: holds a self-hosted OpenReplay's ``TOKEN_SECRET``; signatures are then
                checked. Default: they count as right.
            accept_unsigned_ids: with ``token_secret``, accept ``openReplaySession.id=`` as well.
            service_account: whether to create the IAM user of OpenReplay's CloudWatch page.
                Nothing in OpenReplay v1.21 and later uses it.
            service_account_access: what its key may do.
            service_account_log_groups: what its key reads; default: the tracked log groups. Needed
                with ``track_account``, and with more tracked log groups than a policy has room for.
            user_name: its name; default: generated.
            key_serial: a higher number replaces its key; not with ``rotation``.
            rotation: how often the bridge's API key and the service account's access key are
                replaced, 4 hours to 1000 days; default: never. See :class:`KeyRotation`.
            rotation_grace: with it, how long the bridge accepts a key that was replaced, at most,
                and how long a disabled access key can be enabled again; default: seven days.
            openreplay_projects: which OpenReplay projects are told of the bridge, and of every new
                key, without a person.
            bridge: whether to make the endpoint that OpenReplay v1.21 and later ask.
            bridge_domain_name: a domain of your own for it; default: API Gateway's.
            bridge_reserved_concurrency: how many questions are answered at once; None: no cap.
            allowed_source_ranges: addresses in CIDR notation that may ask the bridge and use the
                service account's key; default: all.
            settle: how long after a session's last line its answer is held back; default: three
                minutes.
            session_lifetime: OpenReplay's MAX_SESSION_DURATION; default: two hours.
            hold_until_over: give no lines while the session may still be running.
            show_log_group: whether a message begins with its log group.
            encryption_key: encrypts the session table and the log groups created here, the secrets,
                the queues and the topic. Default: keys owned by AWS. An imported key must let
                CloudWatch Logs and alarms use it already.
            reserved_concurrency: of the validator; None reserves nothing, which is what an account
                with the initial quota of 10 needs.
            detailed_metrics: also publish lines by log group and verdict.
            alarm_topic: where the alarms go; default: a new topic.
            dashboard: whether to make one.

        Raises:
            ValueError: a log group is named twice, a name or an address range is not one, an
                existing table has another shape, a number or a time is out of its range, a project
                cannot be registered, log groups are named that ``track_account`` tracks already,
                the log groups of the service account are not known, or other accounts are named
                without ``KINESIS``.
        """
        line_retention = line_retention or DEFAULT_LINE_RETENTION
        _check_new_log_groups(new_log_groups)
        check_session_table(session_table, session_table_write_limit, line_retention)
        check_account_tracking(
            track_account, [*new_log_groups, *map(describe, log_groups)], untracked_log_groups
        )
        check_service_account(
            service_account, bool(service_account_log_groups), tracked_by_name=not track_account
        )
        if rotation is not None:
            check_rotation(rotation, rotation_grace or DEFAULT_GRACE)
        super().__init__(scope, construct_id)
        self._retention = log_retention
        self._removal_policy = removal_policy
        self._encryption_key = encryption_key
        self._tagging_layer: TaggingLayer | None = None
        if encryption_key is not None:
            let_log_groups_use(encryption_key, cdk.Stack.of(self))
        self.session_table: dynamodb.ITable = session_table or new_session_table(
            self,
            "SessionTable",
            write_limit=session_table_write_limit,
            removal_policy=removal_policy,
            encryption_key=encryption_key,
        )
        self.validator = TokenValidator(
            self,
            "Validator",
            session_table=self.session_table,
            line_retention=line_retention,
            token_secret=token_secret,
            accept_unsigned_ids=accept_unsigned_ids,
            reserved_concurrency=reserved_concurrency,
            ingest=ingest,
            source_accounts=source_accounts,
            detailed_metrics=detailed_metrics,
            deployment=deployment_name(self),
            encryption_key=encryption_key,
        )
        self.service_account: ServiceAccount | None = None
        if service_account:
            self.service_account = ServiceAccount(
                self,
                "ServiceAccount",
                log_groups=service_account_log_groups,
                access=service_account_access,
                allowed_source_ranges=check_source_ranges(allowed_source_ranges),
                user_name=user_name,
                key_serial=key_serial,
                rotated=rotation is not None,
                encryption_key=encryption_key,
            )
        self._key_reads_tracked = service_account and not service_account_log_groups
        self.bridge: SessionSearchBridge | None = None
        if bridge:
            self.bridge = SessionSearchBridge(
                self,
                "Bridge",
                session_table=self.session_table,
                retry_queue=self.validator.retry_queue,
                domain_name=bridge_domain_name,
                allowed_source_ranges=allowed_source_ranges,
                settle=settle,
                session_lifetime=session_lifetime,
                hold_until_over=hold_until_over,
                show_log_group=show_log_group,
                reserved_concurrency=bridge_reserved_concurrency,
                deployment=self.validator.deployment,
                previous_key_accepted=rotation_grace,
                rotated=rotation is not None,
                encryption_key=encryption_key,
            )
        self.registrations: ProjectRegistrations | None = None
        if openreplay_projects:
            self.registrations = ProjectRegistrations(
                self,
                "Registrations",
                projects=openreplay_projects,
                deployment=self.validator.deployment,
                bridge=self.bridge,
                encryption_key=encryption_key,
            )
        self.rotation: KeyRotation | None = None
        if rotation is not None:
            self.rotation = KeyRotation(
                self,
                "Rotation",
                every=rotation,
                grace=rotation_grace,
                deployment=self.validator.deployment,
                bridge=self.bridge,
                service_account=self.service_account,
                registrations=self.registrations,
                encryption_key=encryption_key,
            )
        self._refuse_own_log_groups()
        if track_account:
            self.validator.subscribe_account(untracked_log_groups)
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            validator=self.validator,
            session_table=None if session_table else self.session_table,
            bridge=self.bridge,
            rotation=self.rotation,
            registrations=self.registrations,
            checks_signatures=token_secret is not None,
            detailed_metrics=detailed_metrics,
            topic=alarm_topic,
            dashboard=dashboard,
            encryption_key=encryption_key,
        )
        for name in new_log_groups:
            self.track(self._new_log_group(name))
        for log_group in log_groups:
            self.track(log_group)

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

    def track(self, log_group: logs.ILogGroup) -> None:
        """Track one more log group.

        Raises:
            ValueError: it is tracked already, by itself or with the account, is one of this
                deployment's own, is in another account or region, or has no subscription filters
                for its class.
        """
        subscription_filter = self.validator.subscribe(log_group)
        self.monitoring.watch_delivery(log_group, subscription_filter)
        if self.service_account is not None and self._key_reads_tracked:
            self.service_account.allow_reading(log_group)

    def tag_errors_of(
        self,
        function: lambda_.IFunction,
        *,
        header_name: str = HEADER_NAME,
        tag_stdout: bool = False,
    ) -> None:
        """Have a Python function's log lines tagged without a change of its code.

        Its log group is not tracked by this: ``track(function.log_group)``. The arguments and
        errors are those of :meth:`TaggingLayer.tag_errors_of`.
        """
        if self._tagging_layer is None:
            self._tagging_layer = TaggingLayer(self, "TaggingLayer")
        self._tagging_layer.tag_errors_of(function, header_name=header_name, tag_stdout=tag_stdout)

    def grant_read_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal read the service account's key from its secret.

        Raises:
            ValueError: ``service_account`` is False.
        """
        if self.service_account is None:
            raise ValueError("there is no key to read: service_account is False")
        return self.service_account.grant_read_key(grantee)

    def grant_read_lines(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal ask the session table for the linked lines of a session."""
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
        """How many lines OpenReplay can link; a sum over five minutes by default."""
        return self.validator.metric_lines(Verdict.LINKABLE, period=period)

    def metric_rejected(
        self, verdict: Verdict, *, period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """How many lines were not linked for one verdict; a sum over five minutes by default.

        Raises:
            ValueError: the verdict is ``linkable``.
        """
        if verdict is Verdict.LINKABLE:
            raise ValueError("linkable is not a rejection: use metric_linkable()")
        return self.validator.metric_lines(verdict, period=period)

    def _refuse_own_log_groups(self) -> None:
        own: list[tuple[str, logs.ILogGroup]] = []
        if self.bridge is not None:
            own.append(("the bridge's", self.bridge.log_group))
        if self.rotation is not None:
            own.append(("the rotation's", self.rotation.log_group))
        if self.registrations is not None:
            own += [("a registration's", one) for one in self.registrations.log_groups]
        for whose, log_group in own:
            self.validator.refuse(log_group, f"it is {whose} own, and holds no lines of yours")
        for child in self.node.find_all():
            if isinstance(child, logs.LogGroup) and not self.validator.is_refused(child):
                self.validator.refuse(child, "it is of this deployment and holds no lines of yours")

    def _new_log_group(self, name: str) -> logs.LogGroup:
        log_group = logs.LogGroup(
            self,
            f"LogGroup{name}",
            log_group_name=name,
            retention=self._retention,
            removal_policy=self._removal_policy,
            encryption_key=self._encryption_key,
        )
        if self._encryption_key is None:
            acknowledge_default_encryption(log_group)
        return log_group


def check_account_tracking(
    track_account: bool, named: Sequence[str], untracked_log_groups: Sequence[str]
) -> None:
    """Refuse what does not go together with tracking the account, or with not tracking it.

    Args:
        track_account: whether the account is tracked.
        named: the log groups that are to be tracked by name.
        untracked_log_groups: the ones to leave out.

    Raises:
        ValueError: it does not go together, or a name is none.
    """
    for name in untracked_log_groups:
        check_log_group_name(name)
    if track_account and named:
        raise ValueError(
            f"track_account tracks {', '.join(named)} already, and every line would be delivered "
            "twice: leave out log_groups and new_log_groups"
        )
    if untracked_log_groups and not track_account:
        raise ValueError(
            "untracked_log_groups are given without track_account: only the log groups that are "
            "named are tracked anyway"
        )


def check_service_account(
    service_account: bool, log_groups_named: bool, *, tracked_by_name: bool
) -> None:
    """Refuse a service account whose log groups are not known.

    Args:
        service_account: whether there is one.
        log_groups_named: whether ``service_account_log_groups`` names them.
        tracked_by_name: whether the tracked log groups are known by name.

    Raises:
        ValueError: they are not known, or are named without a service account.
    """
    if log_groups_named and not service_account:
        raise ValueError(
            "service_account_log_groups are given, and service_account is False: leave one of the "
            "two out"
        )
    if service_account and not log_groups_named and not tracked_by_name:
        raise ValueError(
            "with track_account the service account's log groups are not known: name the ones that "
            "OpenReplay reads in service_account_log_groups, or leave the key out with "
            "service_account=False"
        )


def _check_new_log_groups(new_log_groups: Sequence[str]) -> None:
    for position, name in enumerate(new_log_groups):
        check_log_group_name(name)
        if cdk.Token.is_unresolved(name):
            raise ValueError(
                "a name in new_log_groups is only known at deploy time: create that log group in "
                "your app and pass it in log_groups"
            )
        if name in new_log_groups[:position]:
            raise ValueError(f"{name} is in new_log_groups twice: name every log group once")
