"""The validator: the Lambda function that judges tracked lines and stores the linkable ones."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as lambda_destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IDependable
from typing_extensions import Unpack

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.limits import (
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    RETRY_SECONDS,
)
from openreplay_cw_stack.infra.choices import Ingest
from openreplay_cw_stack.infra.ingest_stream import IngestStream
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.internal.lambda_function import (
    lambda_function,
    own_log_group,
    whole_seconds,
)
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.internal.queues import (
    feed_from_retry_queue,
    new_dead_letter_queue,
    new_retry_queue,
)
from openreplay_cw_stack.infra.internal.subscriptions import Subscriptions
from openreplay_cw_stack.infra.internal.validator_policy import validator_statements
from openreplay_cw_stack.infra.observability.metrics import deployment_metric, deployment_name
from openreplay_cw_stack.infra.options import ValidatorOptions
from openreplay_cw_stack.infra.session_table import check_session_table
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.tagging import Verdict

_MEGABYTES = 512
_TIMEOUT = cdk.Duration.minutes(1)
"""The timeout for one payload. The function reserves 25 seconds of it to store or queue lines."""
_STREAM_TIMEOUT = cdk.Duration.minutes(5)
"""The timeout for a batch of up to a hundred payloads."""


class TokenValidator(Construct):
    """Judges the lines of subscribed log groups and stores the linkable ones.

    Attributes:
        function: the Lambda function.
        log_group: the function's own log group. It never holds a line's content.
        retry_queue: holds the log events that could not be stored. The function retries each for a
            day.
        dead_letter_queue: holds log events that could not be stored for a day or can never be
            stored, and payloads that Lambda gave up on after two retries or six hours.
        deployment: the value of the metric dimension ``Deployment``.
        has_detailed_metrics: whether lines by log group and verdict are published.
        replay_url: the template of replay links, if there is one.
        publishes_error_events: whether sessions with errors are published to an event bus.
        ingest: the stream that delivers the lines; None if CloudWatch Logs invokes the function.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        session_table: dynamodb.ITable,
        deployment: str | None = None,
        **options: Unpack[ValidatorOptions],
    ) -> None:
        """Create the function with its role, its log group and its queues.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            session_table: the table for linked lines. It can be in another region or account.
            deployment: the value of the metric dimension ``Deployment``; default: generated from
                the construct's path.
            options: see :class:`ValidatorOptions`.

        Raises:
            InvalidOptions: an option is wrong. This is a ValueError.
            ValueError: the table has another schema.
        """
        checked = check_options(ValidatorOptions, options)
        check_session_table(session_table)
        super().__init__(scope, construct_id)
        values = checked.resolve(self)
        through_stream = values.ingest is Ingest.KINESIS
        timeout = _STREAM_TIMEOUT if through_stream else _TIMEOUT
        encryption_key: kms.IKey | None = values.encryption_key
        self.deployment = deployment or deployment_name(self)
        self.log_group = own_log_group(self, encryption_key)
        self.dead_letter_queue = new_dead_letter_queue(self, encryption_key)
        self.retry_queue = new_retry_queue(
            self,
            dead_letter_queue=self.dead_letter_queue,
            function_timeout=timeout,
            encryption_key=encryption_key,
        )
        self.ingest: IngestStream | None = None
        if through_stream:
            self.ingest = IngestStream(
                self,
                "Ingest",
                source_accounts=values.source_accounts,
                encryption_key=encryption_key,
            )
        token_secret: secretsmanager.ISecret | None = values.token_secret
        self.has_detailed_metrics: bool = values.detailed_metrics
        self.replay_url: str | None = values.replay_url
        error_bus: events.IEventBus | None = values.error_events
        self.publishes_error_events = error_bus is not None
        settings = Settings(
            deployment=self.deployment,
            session_table_arn=session_table.table_arn,
            line_retention_seconds=whole_seconds(values.line_retention),
            retry_queue_url=self.retry_queue.queue_url,
            dead_letter_queue_url=self.dead_letter_queue.queue_url,
            token_secret_arn=token_secret.secret_arn if token_secret else None,
            accept_unsigned_ids=(
                token_secret is None
                if values.accept_unsigned_ids is None
                else values.accept_unsigned_ids
            ),
            detailed_metrics=self.has_detailed_metrics,
            replay_url=self.replay_url,
            error_bus_arn=error_bus.event_bus_arn if error_bus else None,
            error_event_interval_seconds=whole_seconds(values.error_event_interval),
            first_pause_seconds=FIRST_PAUSE_SECONDS,
            max_pause_seconds=MAX_PAUSE_SECONDS,
            retry_seconds=RETRY_SECONDS,
        )
        environment = {
            **settings.to_environment(),
            # The commands read it for their hints; the function does not.
            "OWN_LOG_GROUP": self.log_group.log_group_name,
        }
        self.function = lambda_function(
            self,
            package="validator",
            description="Judges tagged log lines and stores the ones OpenReplay can link",
            log_group=self.log_group,
            statements=validator_statements(
                session_table=session_table,
                queues=(self.retry_queue, self.dead_letter_queue),
                ingest=self.ingest,
                token_secret=token_secret,
                error_bus=error_bus,
                encryption_key=encryption_key,
            ),
            environment=environment,
            memory_size=_MEGABYTES,
            timeout=timeout,
            concurrency=values.reserved_concurrency,
            no_network="It calls the public endpoints of DynamoDB, SQS and Secrets Manager with "
            "TLS and signed requests, accepts no connection, and reaches nothing in a VPC",
        )
        feed_from_retry_queue(self, self.function, self.retry_queue)
        invocation = lambda_.EventInvokeConfig(
            self,
            "AsynchronousInvocation",
            function=self.function,
            on_failure=lambda_destinations.SqsDestination(self.dead_letter_queue),
            retry_attempts=2,
            max_event_age=cdk.Duration.hours(6),
        )
        # Delivery begins with the first filter: the dead-letter queue must exist by then.
        before: list[IDependable] = [invocation]
        if self.ingest is not None:
            before.append(self.ingest.feed(self.function, self.dead_letter_queue))
        self._subscriptions = Subscriptions(
            self, "Subscriptions", function=self.function, stream=self.ingest, after=before
        )
        self._subscriptions.refuse(
            self.log_group,
            "it is the validator's own log group, which has no lines of your applications",
        )
        self._acknowledge()

    @property
    def tracks_others(self) -> bool:
        """Whether lines also come from log groups that the options do not name."""
        from_accounts = self.ingest is not None and self.ingest.destination is not None
        return from_accounts or self._subscriptions.account_policy is not None

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The log groups that the validator is subscribed to."""
        return self._subscriptions.log_groups

    def subscribe(self, log_group: logs.ILogGroup) -> logs.SubscriptionFilter:
        """Track a log group, and return its subscription filter.

        Raises:
            ValueError: the log group is refused, already tracked, in another account or region, or
                its class does not support subscription filters.
        """
        return self._subscriptions.add(log_group)

    def subscribe_account(self, untracked: Sequence[str] = ()) -> None:
        """Track every log group of the account and region except refused ones.

        Args:
            untracked: names of further log groups to exclude.

        Raises:
            ValueError: a log group already has its own subscription.
        """
        self._subscriptions.add_account(untracked)

    def refuse(self, log_group: logs.ILogGroup, reason: str) -> None:
        """Refuse to track a log group from now on. The error gives the reason."""
        self._subscriptions.refuse(log_group, reason)

    def is_refused(self, log_group: logs.ILogGroup) -> bool:
        """Return whether a log group is refused."""
        return self._subscriptions.is_refused(log_group)

    def metric_lines(
        self,
        verdict: Verdict,
        *,
        period: cdk.Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return the metric of lines with a verdict: a sum, over five minutes by default."""
        return self.metric(
            names.LINES,
            {names.VERDICT: str(verdict)},
            period=period,
            label=label or str(verdict),
            color=color,
        )

    def metric(
        self,
        metric_name: str,
        dimensions: dict[str, str] | None = None,
        *,
        period: cdk.Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return the sum of a metric of :mod:`openreplay_cw_stack.contract.metrics`."""
        return deployment_metric(
            self.deployment, metric_name, dimensions, period=period, label=label, color=color
        )

    def _acknowledge(self) -> None:
        has_destination = (
            "Lambda sends events that it gives up on to an on-failure destination, with the error; "
            "a dead-letter configuration would store each event a second time"
        )
        packs = ["Serverless", "HIPAA", "NIST"]
        acknowledge(self.function, in_packs("LambdaDLQ", has_destination, packs))
