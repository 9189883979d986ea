"""Checks that the session table exists, has the right key, and deletes expired items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, ok, skip, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE
from openreplay_cw_stack.runtime.aws_calls import error_code

_NAME = "session table"
_SHAPE = {(PARTITION_KEY, "HASH", "S"), (SORT_KEY, "RANGE", "S")}
_USABLE = ("ACTIVE", "UPDATING")


def check_session_table(context: Context) -> Step[None]:
    """Check the table that the validator writes and the bridge reads. No item is read."""
    arns = {
        function.environment.get("SESSION_TABLE_ARN", "")
        for function in (context.validator, context.bridge)
        if function is not None
    } - {""}
    if not arns:
        yield skip(_NAME, "no function has one")
        return
    if len(arns) > 1:
        yield fail(
            _NAME,
            f"the validator and the bridge have different ones: {', '.join(sorted(arns))}",
            "The environment of a function was changed by hand: deploy the stack again.",
        )
        return
    (arn,) = arns
    client = context.account.regional_client("dynamodb", arn)
    try:
        table = client.describe_table(TableName=arn)["Table"]
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        yield fail(
            _NAME,
            f"{arn} does not exist",
            "No line is stored, and the bridge returns no line. Deploy the stack with another "
            "session_table, or delete the stack and deploy it again.",
        )
        return
    yield _state(arn, table)
    yield _time_to_live(client, arn)


def _state(arn: str, table: Mapping[str, Any]) -> Finding:
    name = arn.rpartition("/")[2]
    shape = _shape(table)
    if shape != _SHAPE:
        keys = ", ".join(f"{key} ({use}, {kind})" for key, use, kind in sorted(shape))
        return fail(
            _NAME,
            f"{name} has another schema: its key is {keys}",
            f"The key must be {PARTITION_KEY} (HASH, S) and {SORT_KEY} (RANGE, S). A table's key "
            "cannot be changed: create a table with this key and deploy with "
            "session_table=<its ARN>, or without session_table.",
        )
    if table["TableStatus"] not in _USABLE:
        return fail(
            _NAME,
            f"{name} is {table['TableStatus']}",
            "DynamoDB accepts no item in this state. INACCESSIBLE_ENCRYPTION_CREDENTIALS: allow "
            "the use of its KMS key again.",
        )
    items = count(table.get("ItemCount", 0), "item")
    megabytes = table.get("TableSizeBytes", 0) / 1_000_000
    seen = f"{name}: {items}, {megabytes:.1f} MB (DynamoDB counts every six hours)"
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    if billing != "PAY_PER_REQUEST":
        return warn(
            _NAME,
            f"{seen}; its capacity is provisioned",
            "Lines wait in the retry queue when the capacity is used up. Switch to on-demand:\n"
            f"aws dynamodb update-table --table-name {arn} --billing-mode PAY_PER_REQUEST",
        )
    return ok(_NAME, seen)


def _shape(table: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    types = {
        one["AttributeName"]: one["AttributeType"] for one in table.get("AttributeDefinitions", [])
    }
    return {
        (one["AttributeName"], one["KeyType"], types.get(one["AttributeName"], "?"))
        for one in table.get("KeySchema", [])
    }


def _time_to_live(client: Any, arn: str) -> Finding:
    name = "session table expiry"
    description = client.describe_time_to_live(TableName=arn)["TimeToLiveDescription"]
    status, attribute = description["TimeToLiveStatus"], description.get("AttributeName")
    if status in ("ENABLED", "ENABLING") and attribute == TIME_TO_LIVE:
        return ok(name, f"items are deleted after the time in {TIME_TO_LIVE}")
    seen = f"time to live is {status}" + (f" on {attribute}" if attribute else "")
    switch_on = (
        f"aws dynamodb update-time-to-live --table-name {arn} --time-to-live-specification "
        f"Enabled=true,AttributeName={TIME_TO_LIVE}"
    )
    return fail(name, seen, f"Lines never expire, and cost money. Enable it:\n{switch_on}")
