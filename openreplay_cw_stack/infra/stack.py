"""A stack with the construct, for deployments without another CDK app."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct
from typing_extensions import Unpack

from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.open_replay_cloud_watch import OpenReplayCloudWatch
from openreplay_cw_stack.infra.options import WHAT_IS_TRACKED, OpenReplayCloudWatchOptions
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge

USER_NAME = "openreplay_cw"
"""The name of the service account in OpenReplay's page."""


class OpenReplayCloudWatchStack(cdk.Stack):
    """A stack with :class:`OpenReplayCloudWatch`, its options, and outputs.

    Attributes:
        integration: the construct.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        env: cdk.Environment | None = None,
        **options: Unpack[OpenReplayCloudWatchOptions],
    ) -> None:
        """Build the stack. It synthesises offline, without credentials.

        Args:
            scope: the app or stage.
            construct_id: the stack's id and name.
            env: account and region; default: those that the CLI deploys to.
            options: see :class:`OpenReplayCloudWatchOptions`. ``user_name`` is ``openreplay_cw``
                by default. IAM users are global: a second deployment in the account needs another
                name, or None.

        Raises:
            TypeError: an option is unknown.
            InvalidOptions: a value is wrong, or options contradict each other. This is a
                ValueError.
            ValueError: the options name no log group.
        """
        given: dict[str, Any] = dict(options)
        if options.get("service_account") is not False:
            given.setdefault("user_name", USER_NAME)
        checked = check_options(OpenReplayCloudWatchOptions, given)
        if not any(map(checked.values.get, WHAT_IS_TRACKED)):
            raise ValueError(
                "no log group to track: name some in log_groups (existing) or new_log_groups (to "
                "create), for example -c log_groups=/aws/lambda/checkout,/ecs/shop"
            )
        super().__init__(
            scope,
            construct_id,
            env=env,
            description="CloudWatch log lines beside OpenReplay's session replays",
        )
        values = checked.resolve(self)
        self.integration = OpenReplayCloudWatch(
            self, "OpenReplay", **{name: getattr(values, name) for name in checked.given}
        )
        self._add_outputs()

    def _add_outputs(self) -> None:
        integration = self.integration
        table = integration.session_table
        self._output("SessionTableName", table.table_name, "Holds the linked lines")
        self._output(
            "SessionTableArn", table.table_arn, "The value of session_table for other deployments"
        )
        self._output(
            "AlarmTopicArn",
            integration.monitoring.topic.topic_arn,
            "Subscribe to be notified of alarms",
        )
        self._output(
            "DeadLetterQueueUrl",
            integration.validator.dead_letter_queue.queue_url,
            "Lines that could not be stored",
        )
        self._output(
            "RetryQueueUrl",
            integration.validator.retry_queue.queue_url,
            "Lines that could not be stored yet",
        )
        ingest = integration.validator.ingest
        if ingest is not None and ingest.destination is not None:
            self._output(
                "SubscribeCommand",
                "aws logs put-subscription-filter --log-group-name LOG_GROUP --filter-name "
                f"OpenReplay --filter-pattern '{FILTER_PATTERN}' --destination-arn "
                f"{ingest.destination.attr_arn} --distribution Random --region {self.region}",
                "Tracks the log group LOG_GROUP of a source account; run it with its credentials",
            )
            self._output(
                "IngestDestinationArn",
                ingest.destination.attr_arn,
                "The destination of the subscription filters in source accounts",
            )
        if integration.bridge is not None:
            self._add_bridge_outputs(integration.bridge)
        if integration.dashboard is not None:
            self._output(
                "DashboardName", integration.dashboard.dashboard_name, "The CloudWatch dashboard"
            )
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
