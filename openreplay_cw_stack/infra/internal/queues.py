"""The validator's queues: the retry queue, which feeds it, and the dead-letter queue."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from openreplay_cw_stack.contract.limits import (
    QUEUE_RETENTION_SECONDS,
)
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs

_MAX_RECEIPTS = 1000
"""The maximum of SQS. Throttled invocations also count as receives, so the validator decides by the
age of a message. This limit applies only to messages that end the validator's process."""
_RETENTION = cdk.Duration.seconds(QUEUE_RETENTION_SECONDS)
"""The longest retention of SQS."""
_VISIBILITY_FACTOR = 6
"""Lambda Developer Guide, "Configuring an Amazon SQS queue to use with Lambda"."""


def new_dead_letter_queue(scope: Construct, encryption_key: kms.IKey | None) -> sqs.Queue:
    """Create the dead-letter queue, for lines that cannot be stored at all or within a day.

    Args:
        scope: the parent construct.
        encryption_key: encrypts the queue; default: a key that SQS manages.
    """
    queue = _queue(scope, "DeadLetterQueue", encryption_key)
    nothing_behind_it = (
        "This queue is the dead-letter queue: only an operator consumes it, and an alarm watches it"
    )
    acknowledge(queue, in_packs("SQSRedrivePolicy", nothing_behind_it, ["Serverless"]))
    return queue


def new_retry_queue(
    scope: Construct,
    *,
    dead_letter_queue: sqs.IQueue,
    function_timeout: cdk.Duration,
    encryption_key: kms.IKey | None,
) -> sqs.Queue:
    """Create the retry queue, for log events that the validator could not store yet.

    Args:
        scope: the parent construct.
        dead_letter_queue: receives the messages that were received too often.
        function_timeout: the timeout of the function that the queue invokes.
        encryption_key: encrypts the queue; default: a key that SQS manages.
    """
    return _queue(
        scope,
        "RetryQueue",
        encryption_key,
        visibility_timeout=cdk.Duration.seconds(_VISIBILITY_FACTOR * function_timeout.to_seconds()),
        dead_letter_queue=sqs.DeadLetterQueue(
            max_receive_count=_MAX_RECEIPTS, queue=dead_letter_queue
        ),
    )


def feed_from_retry_queue(
    scope: Construct, function: lambda_.Function, queue: sqs.IQueue
) -> lambda_.EventSourceMapping:
    """Make the retry queue invoke a function, with one message each and at most two at once."""
    source = lambda_.EventSourceMapping(
        scope,
        "RetrySource",
        target=function,
        event_source_arn=queue.queue_arn,
        batch_size=1,
        max_concurrency=2,
        report_batch_item_failures=True,
    )
    given_up = (
        "An event source mapping of a queue has no on-failure destination: the function and the "
        "redrive policy move messages that fail for a day to the dead-letter queue"
    )
    acknowledge(source, in_packs("LambdaEventSourceMappingDestination", given_up, ["Serverless"]))
    return source


def statements_for_queues(
    retry_queue: sqs.IQueue, dead_letter_queue: sqs.IQueue
) -> list[iam.PolicyStatement]:
    """Return the permissions to send to both queues and to receive from the retry queue."""
    return [
        iam.PolicyStatement(
            sid="SendToTheQueues",
            actions=["sqs:SendMessage"],
            resources=[dead_letter_queue.queue_arn, retry_queue.queue_arn],
        ),
        iam.PolicyStatement(
            sid="TakeFromTheRetryQueue",
            actions=[
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            resources=[retry_queue.queue_arn],
        ),
    ]


def _queue(
    scope: Construct,
    construct_id: str,
    encryption_key: kms.IKey | None,
    *,
    visibility_timeout: cdk.Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    encryption = sqs.QueueEncryption.KMS if encryption_key else sqs.QueueEncryption.SQS_MANAGED
    return sqs.Queue(
        scope,
        construct_id,
        encryption=encryption,
        encryption_master_key=encryption_key,
        enforce_ssl=True,
        retention_period=_RETENTION,
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
    )
