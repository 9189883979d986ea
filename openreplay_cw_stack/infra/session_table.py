"""The session table: the validator stores linked lines in it, and the bridge reads them."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from openreplay_cw_stack.contract.session_table import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.internal.removal import kept_once_deployed

_SHAPE = (
    f"the session table needs the partition key {PARTITION_KEY!r} (string), the sort key "
    f"{SORT_KEY!r} (string), and the time to live attribute {TIME_TO_LIVE!r}"
)
_KEYS = {("HASH", PARTITION_KEY, "S"), ("RANGE", SORT_KEY, "S")}


def new_session_table(
    scope: Construct,
    construct_id: str,
    *,
    write_limit: int | None = None,
    removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    encryption_key: kms.IKey | None = None,
) -> dynamodb.Table:
    """Create a session table: on-demand, encrypted, with a generated name.

    Amazon DynamoDB Developer Guide, "Maximum throughput for on-demand tables": the limit of write
    units is a target, and DynamoDB throttles requests above it.

    Args:
        scope: the parent construct.
        construct_id: the id under it.
        write_limit: the most write units a second, to limit the cost; default: no limit.
        removal_policy: whether to retain or destroy the table when it leaves the stack. A first
            deployment that fails always destroys it.
        encryption_key: encrypts the table; default: a key that AWS owns.
    """
    table = dynamodb.Table(
        scope,
        construct_id,
        partition_key=dynamodb.Attribute(name=PARTITION_KEY, type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name=SORT_KEY, type=dynamodb.AttributeType.STRING),
        time_to_live_attribute=TIME_TO_LIVE,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        max_write_request_units=write_limit,
        encryption_key=encryption_key,
        removal_policy=kept_once_deployed(removal_policy),
    )
    copies = (
        "Its lines are copies of the tracked log groups' lines and expire; a backup would restore "
        "sessions that were deleted on request, and the retain policy keeps the table itself"
    )
    acknowledge(
        table,
        {
            **in_packs("DDB3", copies, ["AwsSolutions"]),
            **in_packs("DynamoDBPITREnabled", copies, ["HIPAA", "NIST"]),
            **in_packs("DynamoDBInBackupPlan", copies, ["HIPAA", "NIST"]),
        },
    )
    return table


def check_session_table(table: dynamodb.ITable | None) -> None:
    """Reject a table with another schema.

    During synthesis, only the schema of a table that the same app creates is known.

    Args:
        table: an existing table; None for a new one.

    Raises:
        ValueError: the table has other keys or another time to live attribute.
    """
    if table is not None:
        _check_shape(table)


def _check_shape(table: dynamodb.ITable) -> None:
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnTable | dynamodb.CfnGlobalTable):
        return
    stack = cdk.Stack.of(table)
    types = {
        one["attributeName"]: one["attributeType"]
        for one in _resolved(stack, resource.attribute_definitions)
    }
    keys = {
        (one["keyType"], one["attributeName"], types.get(one["attributeName"]))
        for one in _resolved(stack, resource.key_schema)
    }
    if keys != _KEYS:
        found = ", ".join(
            f"{name!r} ({kind}, {role})" for role, name, kind in sorted(keys, key=str)
        )
        raise ValueError(f"the table at {table.node.path} has the keys {found}; {_SHAPE}")
    lives = stack.resolve(resource.time_to_live_specification) or {}
    if lives.get("attributeName") != TIME_TO_LIVE or lives.get("enabled") is False:
        raise ValueError(
            f"the table at {table.node.path} has the time to live attribute "
            f"{lives.get('attributeName')!r}; {_SHAPE}"
        )


def _resolved(stack: cdk.Stack, value: Any) -> list[dict[str, Any]]:
    return list(stack.resolve(value) or ())


def statements_to_write(table: dynamodb.ITable) -> list[iam.PolicyStatement]:
    """Return the permissions to write to the session table, for the validator."""
    actions = ["kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    return [
        iam.PolicyStatement(
            sid="StoreLinkedLines",
            actions=["dynamodb:BatchWriteItem"],
            resources=[table.table_arn],
        ),
        *_use_of_its_key(table, actions),
    ]


def statements_to_read(table: dynamodb.ITable) -> list[iam.PolicyStatement]:
    """Return the permissions to query the session table, for its readers."""
    return [
        iam.PolicyStatement(
            sid="ReadLinkedLines", actions=["dynamodb:Query"], resources=[table.table_arn]
        ),
        *_use_of_its_key(table, []),
    ]


def _use_of_its_key(table: dynamodb.ITable, actions: list[str]) -> list[iam.PolicyStatement]:
    """Return the permissions on the table's key.

    DynamoDB uses a customer managed key on behalf of its caller, who needs these permissions:
    Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest: usage notes".
    """
    if table.encryption_key is None:
        return []
    service = f"dynamodb.{_region_of(table)}.{cdk.Stack.of(table).url_suffix}"
    return [
        iam.PolicyStatement(
            sid="UseTheTablesKey",
            actions=["kms:Decrypt", "kms:DescribeKey", *actions],
            resources=[table.encryption_key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": service}},
        )
    ]


def _region_of(table: dynamodb.ITable) -> str:
    if isinstance(table.node.default_child, cdk.CfnResource):
        return table.env.region
    arn = cdk.Stack.of(table).split_arn(table.table_arn, cdk.ArnFormat.SLASH_RESOURCE_NAME)
    return arn.region or table.env.region
