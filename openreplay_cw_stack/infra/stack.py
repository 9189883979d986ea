"""A stack around the construct, for deployments without a CDK app of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.infra.ingest_stream import Ingest
from openreplay_cw_stack.infra.open_replay_cloud_watch import OpenReplayCloudWatch
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.infra.service_account import ServiceAccountAccess
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge


class OpenReplayCloudWatchStack(cdk.Stack):
    """:class:`OpenReplayCloudWatch` with the same keywords, given as text where it takes objects.

    Attributes:
        integration: the construct.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        env: cdk.Environment | None = None,
        log_groups: Sequence[str] = (),
        new_log_groups: Sequence[str] = (),
        track_account: bool = False,
        untracked_log_groups: Sequence[str] = (),
        ingest: Ingest = Ingest.DIRECT,
        source_accounts: Sequence[str] = (),
        session_table: str | None = None,
        session_table_write_limit: int | None = None,
        line_retention: cdk.Duration | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        token_secret: str | None = None,
        accept_unsigned_ids: bool = False,
        service_account: bool = True,
        service_account_access: ServiceAccountAccess = ServiceAccountAccess.SCOPED,
        service_account_log_groups: Sequence[str] = (),
        user_name: str | None = "openreplay_cw",
        key_serial: int = 1,
        rotation: cdk.Duration | None = None,
        rotation_grace: cdk.Duration | None = None,
        openreplay_projects: Sequence[OpenReplayProject | Mapping[str, object]] = (),
        bridge: bool = True,
        bridge_domain_name: apigatewayv2.IDomainName | None = None,
        bridge_reserved_concurrency: int | None = 5,
        allowed_source_ranges: Sequence[str] = (),
        settle: cdk.Duration | None = None,
        session_lifetime: cdk.Duration | None = None,
        hold_until_over: bool = False,
        show_log_group: bool = True,
        encryption_key: str | None = None,
        reserved_concurrency: int | None = 10,
        detailed_metrics: bool = False,
        alarm_topic: str | None = None,
        dashboard: bool = True,
    ) -> None:
        """Build the stack; synthesises without credentials and for any account and region.

        Args:
            scope: the app or stage.
            construct_id: the stack's id and name.
            env: account and region; default: whatever the CLI deploys to.
            log_groups: names or ARNs of existing log groups to track.
            new_log_groups: see :class:`OpenReplayCloudWatch`, as for all keywords not named here.
            track_account: see there.
            untracked_log_groups: see there.
            ingest: see there.
            source_accounts: see there.
            session_table: the ARN of an existing table, whose encryption key is AWS's own. With a
                customer managed key, use the construct and give the table with its key.
            session_table_write_limit: see there.
            line_retention: see there.
            log_retention: see there.
            removal_policy: see there.
            token_secret: the ARN of a secret.
            accept_unsigned_ids: see there.
            service_account: see there.
            service_account_access: see there.
            service_account_log_groups: names or ARNs of log groups.
            user_name: default: ``openreplay_cw``, as OpenReplay's page has it. An IAM user is
                global: a second deployment in the account needs another name, or None.
            key_serial: see there.
            rotation: see there.
            rotation_grace: see there.
            openreplay_projects: see there; or mappings with the fields of
                :class:`OpenReplayProject`, where ``login_secret`` is the ARN of a secret.
            bridge: see there, as for all that follow it but these.
            bridge_domain_name: see there; not from the context, which has no certificates.
            bridge_reserved_concurrency: see there.
            allowed_source_ranges: see there.
            settle: see there.
            session_lifetime: see there.
            hold_until_over: see there.
            show_log_group: see there.
            encryption_key: the ARN of a KMS key.
            reserved_concurrency: see there.
            detailed_metrics: see there.
            alarm_topic: the ARN of an SNS topic.
            dashboard: see there.

        Raises:
            ValueError: no log group is named, or for the reasons of the construct.
        """
        if not (log_groups or new_log_groups or track_account or source_accounts):
            raise ValueError(
                "no log group to track: name some in new_log_groups (created) or log_groups "
                "(existing), for example -c log_groups=/aws/lambda/checkout,/ecs/shop"
            )
        super().__init__(
            scope,
            construct_id,
            env=env,
            description="CloudWatch log lines beside OpenReplay's session replays",
        )
        self.integration = OpenReplayCloudWatch(
            self,
            "OpenReplay",
            log_groups=[self._log_group("LogGroup", one) for one in log_groups],
            new_log_groups=new_log_groups,
            track_account=track_account,
            untracked_log_groups=untracked_log_groups,
            ingest=ingest,
            source_accounts=source_accounts,
            session_table=dynamodb.Table.from_table_arn(self, "SessionTable", session_table)
            if session_table
            else None,
            session_table_write_limit=session_table_write_limit,
            line_retention=line_retention,
            log_retention=log_retention,
            removal_policy=removal_policy,
            token_secret=secretsmanager.Secret.from_secret_complete_arn(
                self, "TokenSecret", token_secret
            )
            if token_secret
            else None,
            accept_unsigned_ids=accept_unsigned_ids,
            service_account=service_account,
            service_account_access=service_account_access,
            service_account_log_groups=[
                self._log_group("ServiceAccountLogGroup", one) for one in service_account_log_groups
            ],
            user_name=user_name,
            key_serial=key_serial,
            rotation=rotation,
            rotation_grace=rotation_grace,
            openreplay_projects=[
                self._project(position, one) for position, one in enumerate(openreplay_projects)
            ],
            bridge=bridge,
            bridge_domain_name=bridge_domain_name,
            bridge_reserved_concurrency=bridge_reserved_concurrency,
            allowed_source_ranges=allowed_source_ranges,
            settle=settle,
            session_lifetime=session_lifetime,
            hold_until_over=hold_until_over,
            show_log_group=show_log_group,
            encryption_key=kms.Key.from_key_arn(self, "EncryptionKey", encryption_key)
            if encryption_key
            else None,
            reserved_concurrency=reserved_concurrency,
            detailed_metrics=detailed_metrics,
            alarm_topic=sns.Topic.from_topic_arn(self, "AlarmTopic", alarm_topic)
            if alarm_topic
            else None,
            dashboard=dashboard,
        )
        self._add_outputs()

    def _log_group(self, construct_id: str, name_or_arn: str) -> logs.ILogGroup:
        if name_or_arn.startswith("arn:"):
            return logs.LogGroup.from_log_group_arn(
                self, f"{construct_id}{name_or_arn}", name_or_arn
            )
        return logs.LogGroup.from_log_group_name(self, f"{construct_id}{name_or_arn}", name_or_arn)

    def _project(
        self, position: int, project: OpenReplayProject | Mapping[str, object]
    ) -> OpenReplayProject:
        if isinstance(project, OpenReplayProject):
            return project
        login_secret = secretsmanager.Secret.from_secret_complete_arn(
            self, f"LoginSecret{position}", str(project["login_secret"])
        )
        return OpenReplayProject(**{**project, "login_secret": login_secret})  # type: ignore[arg-type]

    def _add_outputs(self) -> None:
        integration = self.integration
        table = integration.session_table
        self._output("SessionTableName", table.table_name, "Holds the linked lines")
        self._output("SessionTableArn", table.table_arn, "For session_table of other deployments")
        self._output(
            "AlarmTopicArn", integration.monitoring.topic.topic_arn, "Subscribe to hear of alarms"
        )
        self._output(
            "DeadLetterQueueUrl",
            integration.validator.dead_letter_queue.queue_url,
            "What could not be stored",
        )
        self._output(
            "RetryQueueUrl",
            integration.validator.retry_queue.queue_url,
            "What the session table did not take yet",
        )
        ingest = integration.validator.ingest
        if ingest is not None and ingest.destination is not None:
            self._output(
                "SubscribeCommand",
                "aws logs put-subscription-filter --log-group-name LOG_GROUP --filter-name "
                f"OpenReplay --filter-pattern '{FILTER_PATTERN}' --destination-arn "
                f"{ingest.destination.attr_arn} --distribution Random --region {self.region}",
                "With credentials of a source account, tracks its log group LOG_GROUP",
            )
            self._output(
                "IngestDestinationArn",
                ingest.destination.attr_arn,
                "What source accounts subscribe their log groups to",
            )
        if integration.bridge is not None:
            self._add_bridge_outputs(integration.bridge)
        if integration.dashboard is not None:
            self._output("DashboardName", integration.dashboard.dashboard_name, "In CloudWatch")
        if integration.service_account is not None:
            self._add_service_account_outputs(integration.service_account.secret.secret_arn)

    def _add_bridge_outputs(self, bridge: SessionSearchBridge) -> None:
        self._output("BridgeUrl", bridge.url, "The URL of OpenReplay's Elasticsearch form")
        self._output("BridgeSecretArn", bridge.secret.secret_arn, "Holds the bridge's API key")
        self._output(
            "BridgeFormCommand",
            f"echo 'URL: {bridge.url}'; {self._read_secret_command(bridge.secret.secret_arn)}",
            "Prints the three values of OpenReplay's Elasticsearch form (v1.21 and later)",
        )

    def _read_secret_command(self, secret_arn: str) -> str:
        return (
            f"aws secretsmanager get-secret-value --region {self.region} --secret-id {secret_arn} "
            "--query SecretString --output text"
        )

    def _add_service_account_outputs(self, secret_arn: str) -> None:
        account = self.integration.service_account
        if account is None:
            return
        self._output("UserName", account.user.user_name, "The service account")
        self._output("SecretArn", secret_arn, "Holds the service account's key")
        self._output(
            "ReadKeyCommand",
            self._read_secret_command(secret_arn),
            "Prints the four values of OpenReplay's CloudWatch form (up to v1.20)",
        )

    def _output(self, name: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, name, value=value, description=description)
