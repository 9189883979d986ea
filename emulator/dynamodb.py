"""DynamoDB: the capacity of reads, unprocessed items and time to live.

MiniStack 1.5.33 counts one unit, or half a unit, for every read, whatever its size. It never
returns UnprocessedItems, deletes expired items within a minute, and ignores TimeToLiveSpecification
in CloudFormation.

AWS counts one unit for each 4 KB read, or half a unit if the read is eventually consistent
(DynamoDB Developer Guide, "Capacity unit consumption for read operations"). It returns items that
it did not write as UnprocessedItems; if it wrote none, it returns
ProvisionedThroughputExceededException (API Reference, "BatchWriteItem"). It deletes expired items
"within a few days", and reads return them until then (Developer Guide, "Using time to live").

Here faults choose the items that are not written, and expired items stay until
`Emulator.delete_expired_items`. BatchGetItem and transactions consume the units that MiniStack
counts. Tables of other accounts are not found.
"""

from __future__ import annotations

import contextvars
import json
import time
from typing import Any

from ministack.core import responses
from ministack.services import dynamodb

from emulator import faults, patching

READ_UNIT = 4096
OLDEST_EXPIRY = 5 * 365 * 24 * 60 * 60

_TYPE = "AWS::DynamoDB::Table"

# The bytes that the current Query or Scan has read.
_bytes_read: contextvars.ContextVar[int] = contextvars.ContextVar("bytes_read", default=0)


def install() -> None:
    """Replace MiniStack's handlers, and stop its deletion of expired items."""
    patching.require(
        dynamodb,
        [
            "_extract_key_val",
            "_get_item_by_key",
            "_item_size_bytes",
            "_normalize_table_name",
            "_remove_item",
            "_tables",
            "_ttl_settings",
            "error_response_json",
        ],
    )
    patching.require(dynamodb, ["_ttl_reaper", "json_response"])
    patching.require(responses, ["request_scope"])
    patching.wrap(dynamodb, "_paginate_evaluated_items", _paginate)
    patching.wrap(dynamodb, "_add_consumed_capacity", _add_consumed_capacity)
    patching.wrap(dynamodb, "_batch_write_item", _batch_write_item)
    patching.replace(dynamodb, "_ttl_settings", _Settings())
    patching.wrap_resource_type(
        _TYPE, create=_create_resource, update=_update_resource, delete=_delete_resource
    )


# --- Consumed capacity -------------------------------------------------------------------------


def _paginate(original: Any, *arguments: Any) -> Any:
    """Record the size of a page before MiniStack projects and filters it."""
    page, has_more = original(*arguments)
    _bytes_read.set(sum(map(dynamodb._item_size_bytes, page)))
    return page, has_more


def _add_consumed_capacity(
    original: Any,
    result: dict[str, Any],
    data: dict[str, Any],
    table_name: str,
    *arguments: Any,
    **options: Any,
) -> None:
    """Multiply MiniStack's units, those of one 4 KB block, by the number of blocks read."""
    original(result, data, table_name, *arguments, **options)
    consumed = result.get("ConsumedCapacity")
    if consumed is None:
        return
    is_write = bool(arguments) or "write" in options
    if not is_write:
        blocks = max(1, -(-_size_of_read(data, table_name) // READ_UNIT))
        _multiply(consumed, blocks)


def _size_of_read(data: dict[str, Any], table_name: str) -> int:
    if "Key" not in data:
        return _bytes_read.get()
    item = dynamodb._get_item_by_key(dynamodb._tables.get(table_name), data["Key"])
    return int(dynamodb._item_size_bytes(item or {}))


def _multiply(consumed: dict[str, Any], factor: int) -> None:
    for name, value in consumed.items():
        if name == "CapacityUnits":
            consumed[name] = value * factor
        elif isinstance(value, dict):
            _multiply(value, factor)


# --- Unprocessed items -------------------------------------------------------------------------


def _batch_write_item(original: Any, data: dict[str, Any]) -> Any:
    """Return the items that a fault selects as unprocessed, if the batch is valid."""
    requests = data.get("RequestItems")
    if not isinstance(requests, dict) or _is_refused(requests):
        return original(data)
    writes = [(table, request) for table, requested in requests.items() for request in requested]

    def chosen(fault: faults.Fault) -> list[tuple[str, Any]]:
        hot = [one for one in writes if _partition_key(*one) in fault.partition_keys]
        return (hot if fault.partition_keys else writes)[: fault.unprocessed]

    refused = faults.unprocessed("dynamodb", "BatchWriteItem", json.dumps(data), chosen)
    if not refused:
        return original(data)
    kept = _by_table([one for one in writes if not any(one is other for other in refused)])
    if not kept:
        return dynamodb.error_response_json(
            "ProvisionedThroughputExceededException", faults.MESSAGE, 400
        )
    status, headers, body = original({**data, "RequestItems": kept})
    if status < 400:
        answer = {**json.loads(body), "UnprocessedItems": _by_table(refused)}
        status, headers, body = dynamodb.json_response(answer)
    return status, headers, body


def _is_refused(requests: dict[str, Any]) -> bool:
    """Return whether MiniStack would reject the whole batch before it reads the items."""
    tables = [dynamodb._tables.get(dynamodb._normalize_table_name(name)) for name in requests]
    return None in tables or not all(isinstance(one, list) for one in requests.values())


def _partition_key(table_name: str, request: dict[str, Any]) -> str:
    table = dynamodb._tables.get(dynamodb._normalize_table_name(table_name))
    put, delete = request.get("PutRequest") or {}, request.get("DeleteRequest") or {}
    attributes = put.get("Item") or delete.get("Key") or {}
    return str(dynamodb._extract_key_val(attributes.get(table["pk_name"]) or {"S": ""}))


def _by_table(writes: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for table, request in writes:
        found.setdefault(table, []).append(request)
    return found


# --- Time to live ------------------------------------------------------------------------------


class _Settings(responses.AccountRegionScopedDict):  # type: ignore[misc]
    """The time to live of all tables. MiniStack's deletion thread ends when it asks for all."""

    def all_items(self) -> Any:
        raise SystemExit


def delete_expired(now: float) -> int:
    """Delete the items of all tables that have expired by a time, and return their number."""
    deleted = 0
    for (account, region, name), setting in list(dynamodb._ttl_settings._data.items()):
        table = dynamodb._tables.get_scoped(account, region, name)
        if table is None or setting.get("TimeToLiveStatus") != "ENABLED":
            continue
        with responses.request_scope(account, region):
            for partition, items in list(table["items"].items()):
                for sort_key, item in list(items.items()):
                    if _has_expired(item.get(setting["AttributeName"]), now):
                        dynamodb._remove_item(table, partition, sort_key)
                        deleted += 1
    return deleted


def _has_expired(expiry: Any, now: float) -> bool:
    if not isinstance(expiry, dict) or "N" not in expiry:
        return False
    return now - OLDEST_EXPIRY <= float(expiry["N"]) < now


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Handle POST {"now": seconds or null}: delete the items that have expired by then."""
    if method != "POST":
        return 400, {"error": "Only POST deletes."}
    now = json.loads(content)["now"]
    return 200, {"deleted": delete_expired(time.time() if now is None else float(now))}


# --- CloudFormation ----------------------------------------------------------------------------


def _create_resource(original: Any, *arguments: Any) -> Any:
    created = original(*arguments)
    _apply(created[0], arguments[1])
    return created


def _update_resource(original: Any, *arguments: Any) -> Any:
    updated = original(*arguments)
    _apply(updated[0], arguments[2])
    return updated


def _apply(name: str, properties: dict[str, Any]) -> None:
    """Set the time to live that the template gives a table."""
    expiry = properties.get("TimeToLiveSpecification") or {}
    dynamodb._ttl_settings.pop(name, None)
    if _is_true(expiry.get("Enabled")):
        dynamodb._ttl_settings[name] = {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": expiry["AttributeName"],
        }


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _delete_resource(original: Any, physical_id: str, properties: dict[str, Any]) -> Any:
    dynamodb._ttl_settings.pop(physical_id, None)
    return original(physical_id, properties)
