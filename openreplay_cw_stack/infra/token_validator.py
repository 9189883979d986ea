"""The validator: the Lambda function that judges tracked lines and copies the linkable ones."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as lambda_destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IDependable

from openreplay_cw_stack.infra.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.ingest_stream import Ingest, IngestStream, check_ingest
from openreplay_cw_stack.infra.lambda_function import (
    check_function_numbers,
    lambda_function,
    own_log_group,
)
from openreplay_cw_stack.infra.line_redelivery import LineRedelivery, encrypted_queue
from openreplay_cw_stack.infra.log_groups import statement_to_write_lines
from openreplay_cw_stack.infra.metrics import deployment_name, metric_of
from openreplay_cw_stack.infra.secrets import arn_to_read
from openreplay_cw_stack.infra.subscriptions import Subscriptions
from openreplay_cw_stack.tagging import Reader, Verdict
from openreplay_cw_stack.tagging import metrics as names


class TokenValidator(Construct):
    """Judges the lines of subscribed log groups and writes linked lines.

    Attributes:
        function: the Lambda function.
        log_group: the function's own log group. It never holds a line's content.
        redelivery: keeps the lines that CloudWatch Logs does not take, and writes them later.
        dead_letter_queue: payloads that Lambda gave up on, after two retries or six hours, and
            parked lines that the redelivery could not write for a day.
        deployment: the value of the metric dimension ``Deployment``.
        ingest: the stream that lines come through; None where the function is invoked directly.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        linked_log_group: logs.ILogGroup,
        readers: Sequence[Reader] = (Reader.SEARCH,),
        token_secret: secretsmanager.ISecret | None = None,
        accept_unsigned_ids: bool = False,
        reserved_concurrency: int | None = 10,
        memory_size: int = 512,
        timeout: cdk.Duration | None = None,
        ingest: Ingest = Ingest.DIRECT,
        source_accounts: Sequence[str] = (),
        own_log_retention: logs.RetentionDays = logs.RetentionDays.TWO_WEEKS,
        detailed_metrics: bool = False,
        deployment: str | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create the function with its role, log group, dead-letter queue and redelivery.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            linked_log_group: where linked lines go. It can never be subscribed.
            readers: which of OpenReplay's readers the linked lines are for. With ``POLL`` among
                them the visitor's session token stays in the line.
            token_secret: holds a self-hosted OpenReplay's ``TOKEN_SECRET`` as it is; signatures
                are then checked. Read at run time. Default: signatures count as right.
            accept_unsigned_ids: with ``token_secret``, accept ``openReplaySession.id=`` too.
            reserved_concurrency: how many payloads are judged at once, and what the validator can
                take from the account's quota at most; None: neither. At least 1.
            memory_size: megabytes, 128 to 10240.
            timeout: for one payload, up to 15 minutes; default: one minute, five for the up to a
                hundred payloads of a batch from Kinesis.
            ingest: how lines get here from CloudWatch Logs.
            source_accounts: with ``KINESIS``, ids of other accounts that may send lines. Theirs
                go to streams ``<account>/<log group>`` of the linked log group.
            own_log_retention: of the function's own log group.
            detailed_metrics: also publish lines by log group and verdict, at 0.30 dollars a month
                for each pair that occurs.
            deployment: the value of the metric dimension of that name; default: generated from
                the construct's path.
            encryption_key: encrypts the queues and the functions' own log groups; default: keys
                owned by AWS.

        Raises:
            ValueError: a number is out of its range, ``readers`` is empty, or other accounts
                cannot send lines this way.
        """
        timeout = timeout or cdk.Duration.minutes(5 if ingest is Ingest.KINESIS else 1)
        check_ingest(ingest, source_accounts)
        _check(readers, reserved_concurrency, memory_size, timeout)
        super().__init__(scope, construct_id)
        self.deployment = deployment or deployment_name(self)
        self.log_group = own_log_group(self, own_log_retention, encryption_key)
        self.dead_letter_queue = encrypted_queue(self, "DeadLetterQueue", encryption_key)
        self.redelivery = LineRedelivery(
            self,
            "Redelivery",
            linked_log_group=linked_log_group,
            dead_letter_queue=self.dead_letter_queue,
            deployment=self.deployment,
            own_log_retention=own_log_retention,
            encryption_key=encryption_key,
        )
        self.ingest: IngestStream | None = None
        if ingest is Ingest.KINESIS:
            self.ingest = IngestStream(
                self, "Ingest", source_accounts=source_accounts, encryption_key=encryption_key
            )
        environment = {
            "DEPLOYMENT": self.deployment,
            "LINKED_LOG_GROUP": linked_log_group.log_group_name,
            "OWN_LOG_GROUP": self.log_group.log_group_name,
            "PARKED_LINES_QUEUE": self.redelivery.queue.queue_url,
            "READERS": ",".join(sorted(map(str, set(readers)))),
        }
        if source_accounts:
            environment["OWN_ACCOUNT"] = cdk.Stack.of(self).account
        if token_secret is not None:
            environment["TOKEN_SECRET_ARN"] = token_secret.secret_arn
            environment["ACCEPT_UNSIGNED_IDS"] = str(accept_unsigned_ids).lower()
        if detailed_metrics:
            environment["DETAILED_METRICS"] = "true"
        self.function = lambda_function(
            self,
            room="validator",
            description="Judges tagged log lines and copies the ones OpenReplay can link",
            linked_log_group=linked_log_group,
            log_group=self.log_group,
            statements=self._statements(linked_log_group, token_secret, encryption_key),
            environment=environment,
            memory_size=memory_size,
            timeout=timeout,
            reserved_concurrency=reserved_concurrency,
            no_network="It calls the public endpoints of CloudWatch Logs, SQS and Secrets Manager "
            "with TLS and signed requests, accepts no connection, and reaches nothing in a VPC",
        )
        invocation = lambda_.EventInvokeConfig(
            self,
            "AsynchronousInvocation",
            function=self.function,
            on_failure=lambda_destinations.SqsDestination(self.dead_letter_queue),
            retry_attempts=2,
            max_event_age=cdk.Duration.hours(6),
        )
        # Delivery begins with the first filter: what is given up on must have a place by then.
        before: list[IDependable] = [invocation]
        if self.ingest is not None:
            before.append(self.ingest.feed(self.function, self.dead_letter_queue))
        self._subscriptions = Subscriptions(
            self, "Subscriptions", function=self.function, stream=self.ingest, after=before
        )
        self.function.add_environment("REFUSED_LOG_GROUPS", self._subscriptions.refused_names)
        loop = "it would be fed its own output for ever"
        self._subscriptions.refuse(linked_log_group, f"it is the linked log group, and {loop}")
        self._subscriptions.refuse(self.log_group, f"it is the validator's own, and {loop}")
        self._subscriptions.refuse(
            self.redelivery.log_group, "it is the redelivery's own, and holds no lines of yours"
        )
        self._acknowledge()

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The log groups that the validator is subscribed to."""
        return self._subscriptions.log_groups

    def subscribe(self, log_group: logs.ILogGroup) -> logs.SubscriptionFilter:
        """Track a log group; its subscription filter.

        Raises:
            ValueError: it is the linked or the validator's own group, tracked already, in another
                account or region, or of a class without subscription filters.
        """
        return self._subscriptions.add(log_group)

    def subscribe_account(self, untracked: Sequence[str] = ()) -> None:
        """Track every log group of the account and region but the refused ones.

        Args:
            untracked: names of further log groups to leave out.

        Raises:
            ValueError: a log group is tracked by itself.
        """
        self._subscriptions.add_account(untracked)

    def refuse(self, log_group: logs.ILogGroup, reason: str) -> None:
        """Refuse to track a log group from now on, and tell the reason to who tries.

        The function refuses lines that come from it all the same.
        """
        self._subscriptions.refuse(log_group, reason)

    def is_refused(self, log_group: logs.ILogGroup) -> bool:
        """Whether a log group may not be tracked."""
        return self._subscriptions.is_refused(log_group)

    def metric_lines(
        self,
        verdict: Verdict,
        *,
        period: cdk.Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """How many lines had a verdict; a sum over five minutes by default."""
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
        """A metric of :mod:`openreplay_cw_stack.tagging.metrics`; a sum over five minutes."""
        return metric_of(
            self.deployment, metric_name, dimensions, period=period, label=label, color=color
        )

    def _statements(
        self,
        linked_log_group: logs.ILogGroup,
        token_secret: secretsmanager.ISecret | None,
        encryption_key: kms.IKey | None,
    ) -> list[iam.PolicyStatement]:
        statements = [
            statement_to_write_lines(linked_log_group),
            iam.PolicyStatement(
                sid="ParkWhatLambdaGaveUpOn",
                actions=["sqs:SendMessage"],
                resources=[self.dead_letter_queue.queue_arn],
            ),
            iam.PolicyStatement(
                sid="ParkLines",
                actions=["sqs:SendMessage"],
                resources=[self.redelivery.queue.queue_arn],
            ),
        ]
        if self.ingest is not None:
            statements.append(self.ingest.statement())
        keys = [encryption_key]
        if token_secret is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="ReadTheTokenSecret",
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[arn_to_read(token_secret)],
                )
            )
            keys.append(token_secret.encryption_key)
        key_arns = list(dict.fromkeys(key.key_arn for key in keys if key))
        if key_arns:
            statements.append(
                iam.PolicyStatement(
                    sid="UseTheKeys",
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=key_arns,
                )
            )
        return statements

    def _acknowledge(self) -> None:
        is_dead_letter_queue = (
            "This queue is the dead-letter queue: nothing consumes it but a person, and an alarm "
            "watches it"
        )
        acknowledge(
            self.dead_letter_queue,
            in_packs("SQSRedrivePolicy", is_dead_letter_queue, ["Serverless"]),
        )
        has_destination = (
            "What Lambda gives up on goes to an on-failure destination, which holds the error as "
            "well as the event; a dead-letter configuration would store the event a second time"
        )
        packs = ["Serverless", "HIPAA", "NIST"]
        acknowledge(self.function, in_packs("LambdaDLQ", has_destination, packs))


def _check(
    readers: Sequence[Reader],
    reserved_concurrency: int | None,
    memory_size: int,
    timeout: cdk.Duration,
) -> None:
    if not readers:
        raise ValueError("readers is empty: name Reader.SEARCH, Reader.POLL, or both")
    check_function_numbers(reserved_concurrency, memory_size)
    if not timeout.is_unresolved() and not 1 <= timeout.to_seconds() <= 900:
        raise ValueError(f"timeout must be 1 to 900 seconds, not {timeout.to_seconds():g}")
