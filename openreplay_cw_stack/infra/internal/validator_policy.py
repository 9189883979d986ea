"""The permissions of the validator."""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

from openreplay_cw_stack.infra.ingest_stream import IngestStream
from openreplay_cw_stack.infra.internal.queues import statements_for_queues
from openreplay_cw_stack.infra.internal.secrets import readable_arn
from openreplay_cw_stack.infra.session_table import statements_to_write


def validator_statements(
    *,
    session_table: dynamodb.ITable,
    queues: tuple[sqs.IQueue, sqs.IQueue],
    ingest: IngestStream | None,
    token_secret: secretsmanager.ISecret | None,
    error_bus: events.IEventBus | None,
    encryption_key: kms.IKey | None,
) -> list[iam.PolicyStatement]:
    """Return the statements of the validator's policy.

    Args:
        session_table: the table for linked lines.
        queues: the retry queue and the dead-letter queue.
        ingest: the stream that delivers the lines, if there is one.
        token_secret: the secret for checking signatures, if there is one.
        error_bus: the event bus for error events, if there is one.
        encryption_key: encrypts the queues and the stream.
    """
    statements = [
        *statements_to_write(session_table),
        *statements_for_queues(*queues),
        *_publish(session_table, error_bus),
    ]
    if ingest is not None:
        statements.append(ingest.statement())
    keys = [encryption_key]
    if token_secret is not None:
        statements.append(
            iam.PolicyStatement(
                sid="ReadTheTokenSecret",
                actions=["secretsmanager:GetSecretValue"],
                resources=[readable_arn(token_secret)],
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


def _publish(
    session_table: dynamodb.ITable, error_bus: events.IEventBus | None
) -> Iterator[iam.PolicyStatement]:
    if error_bus is None:
        return
    yield iam.PolicyStatement(
        sid="PublishErrorEvents",
        actions=["events:PutEvents"],
        resources=[error_bus.event_bus_arn],
    )
    yield iam.PolicyStatement(
        sid="NoteErrorEvents",
        actions=["dynamodb:PutItem"],
        resources=[session_table.table_arn],
    )
