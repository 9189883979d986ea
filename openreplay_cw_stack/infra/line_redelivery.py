"""The redelivery: the queue of parked lines, and the Lambda function that writes them later."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from openreplay_cw_stack.infra.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.lambda_function import lambda_function, own_log_group
from openreplay_cw_stack.infra.log_groups import statement_to_write_lines

FIRST_PAUSE = cdk.Duration.seconds(30)
LONGEST_PAUSE = cdk.Duration.minutes(15)
MOST_RECEIPTS = 100
"""About a day: 30 seconds, a minute, and so on for a quarter of an hour, then every 15 minutes."""

MESSAGES_AT_ONCE = 5
"""Of at most a megabyte each; an invocation takes six."""

_TIMEOUT = cdk.Duration.minutes(2)
_VISIBILITY = cdk.Duration.minutes(12)
"""Six times the function's timeout: Lambda Developer Guide, "Configuring an Amazon SQS queue to
use with Lambda"."""


class LineRedelivery(Construct):
    """Keeps linked lines that CloudWatch Logs did not take, and writes them once it does.

    Attributes:
        queue: the parked lines; encrypted, with TLS only, kept for 14 days.
        function: the Lambda function.
        log_group: the function's own log group. It never holds a line's content.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        linked_log_group: logs.ILogGroup,
        dead_letter_queue: sqs.IQueue,
        deployment: str,
        own_log_retention: logs.RetentionDays = logs.RetentionDays.TWO_WEEKS,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create the queue, and the function with its role and log group.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            linked_log_group: where the lines go.
            dead_letter_queue: where they go after a day.
            deployment: the value of the metric dimension of that name.
            own_log_retention: of the function's own log group.
            encryption_key: encrypts the queue and the function's own log group; default: keys
                owned by AWS.
        """
        super().__init__(scope, construct_id)
        self.queue = encrypted_queue(
            self,
            "ParkedLines",
            encryption_key,
            visibility_timeout=_VISIBILITY,
            dead_letter_queue=sqs.DeadLetterQueue(
                max_receive_count=MOST_RECEIPTS, queue=dead_letter_queue
            ),
        )
        self.log_group = own_log_group(self, own_log_retention, encryption_key)
        self.function = lambda_function(
            self,
            room="redelivery",
            description="Writes linked lines that CloudWatch Logs did not take at first",
            linked_log_group=linked_log_group,
            log_group=self.log_group,
            statements=self._statements(linked_log_group, encryption_key),
            environment={
                "DEPLOYMENT": deployment,
                "LINKED_LOG_GROUP": linked_log_group.log_group_name,
                "PARKED_LINES_QUEUE": self.queue.queue_url,
                "FIRST_PAUSE_SECONDS": str(FIRST_PAUSE.to_seconds()),
                "LONGEST_PAUSE_SECONDS": str(LONGEST_PAUSE.to_seconds()),
            },
            memory_size=256,
            timeout=_TIMEOUT,
            reserved_concurrency=None,
            no_network="It calls the public endpoints of CloudWatch Logs and SQS with TLS and "
            "signed requests, accepts no connection, and reaches nothing in a VPC",
            nothing_reserved="Its event source runs two at once at most, and a message that finds "
            "no room waits in its queue",
        )
        source = lambda_.EventSourceMapping(
            self,
            "EventSource",
            target=self.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=MESSAGES_AT_ONCE,
            max_concurrency=2,
            report_batch_item_failures=True,
        )
        given_up_on = (
            "A queue has no on-failure destination: its redrive policy takes what the function "
            "failed on for a day into the dead-letter queue"
        )
        acknowledge(
            source, in_packs("LambdaEventSourceMappingDestination", given_up_on, ["Serverless"])
        )
        in_its_queue = (
            "A message that it fails on stays in the queue of its event source, which has a "
            "dead-letter queue; nothing invokes it asynchronously"
        )
        packs = ["Serverless", "HIPAA", "NIST"]
        acknowledge(self.function, in_packs("LambdaDLQ", in_its_queue, packs))

    def _statements(
        self, linked_log_group: logs.ILogGroup, encryption_key: kms.IKey | None
    ) -> list[iam.PolicyStatement]:
        statements = [
            statement_to_write_lines(linked_log_group),
            iam.PolicyStatement(
                sid="TakeParkedLines",
                actions=[
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ],
                resources=[self.queue.queue_arn],
            ),
        ]
        if encryption_key is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="UseTheKey", actions=["kms:Decrypt"], resources=[encryption_key.key_arn]
                )
            )
        return statements


def encrypted_queue(
    scope: Construct,
    construct_id: str,
    encryption_key: kms.IKey | None,
    *,
    visibility_timeout: cdk.Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    """A queue of ours: encrypted, with TLS only, its messages kept for 14 days, SQS's longest.

    Args:
        scope: the parent construct.
        construct_id: the id under it.
        encryption_key: default: SQS's own.
        visibility_timeout: how long a message that was received stays hidden; default: SQS's.
        dead_letter_queue: where messages go that were received too often.
    """
    encryption = sqs.QueueEncryption.KMS if encryption_key else sqs.QueueEncryption.SQS_MANAGED
    return sqs.Queue(
        scope,
        construct_id,
        encryption=encryption,
        encryption_master_key=encryption_key,
        enforce_ssl=True,
        retention_period=cdk.Duration.days(14),
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
    )
