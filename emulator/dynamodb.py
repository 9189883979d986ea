"""Tables of DynamoDB: capacity, unprocessed items, time to live, accounts, CloudFormation.

MiniStack 1.5.33 finds a partition without a scan, ends pages at 1 MB, takes a table's ARN for its
name, and checks items and batches as DynamoDB does. These it gets wrong:

- A read consumes one unit whatever it reads, or half of one. An answer names the table even where
  the request has its ARN. A batch may have any size.
- It never has UnprocessedItems.
- A table of another account is not found, and policies of tables are not evaluated.
- It deletes expired items within a minute.
- CloudFormation: TimeToLiveSpecification is ignored, and SSESpecification too. A table that was
  deleted leaves its time to live to the next one of its name. A stack that is created again empties
  the table that it left behind when it was deleted.

AWS:

- Developer Guide, "DynamoDB on-demand capacity mode" and "Capacity unit consumption for read
  operations": a read unit is 4 KB, half of one where the read is eventually consistent. Query and
  Scan add up the sizes of all items read, before any filter, and round the sum up. A read of
  nothing is charged as the smallest one.
- API Reference, "ConsumedCapacity": TableName is the ARN if the request has the ARN.
- API Reference, "BatchWriteItem": a request of more than 16 MB is rejected; the code is not
  documented: open (here it is ValidationException, and 16 MB is 16 * 1024 * 1024 bytes). What could
  not be written comes back as UnprocessedItems; if nothing could be written, the answer is
  ProvisionedThroughputExceededException. `Emulator.inject_fault` says what cannot be written.
- Developer Guide, "Using time to live (TTL) in DynamoDB": expired items are deleted "within a few
  days", and are read until then. The attribute must be a number, and not more than five years old.
  Here they stay until `Emulator.delete_expired_items` is called.
- Developer Guide, "Cross-account access with resource-based policies": a table is called by its ARN
  from another account if its policy allows that, and the caller's too. A region's endpoint has its
  own tables only. Not documented: whether a table that the policy hides is found (open; here the
  call is refused before the table is looked up).
- CloudFormation, "AWS::DynamoDB::Table": a generated name is one that no table has.

BatchGetItem and transactions consume what MiniStack says. Without the evaluation of IAM policies, a
table of another account is open to everyone. A request has tables of one account only.
"""

from __future__ import annotations

import contextvars
import json
import time
from typing import Any

from ministack.core import arn as arns
from ministack.core import iam_evaluator, responses
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from emulator import faults, patching

MAXIMUM_REQUEST = 16 * 1024 * 1024
READ_UNIT = 4096
OLDEST_EXPIRY = 5 * 365 * 24 * 60 * 60

_TYPE = "AWS::DynamoDB::Table"

# What the Query or Scan at hand has read.
_bytes_read: contextvars.ContextVar[int] = contextvars.ContextVar("bytes_read", default=0)


def install() -> None:
    """Replace MiniStack's parts, and end its deletion of expired items."""
    patching.require(
        dynamodb,
        [
            "_extract_key_val",
            "_get_item_by_key",
            "_item_size_bytes",
            "_normalize_table_name",
            "_remove_item",
            "_resource_policies",
            "_sse_description_from_spec",
            "_tables",
            "_ttl_settings",
            "error_response_json",
        ],
    )
    patching.require(dynamodb, ["_ttl_reaper", "json_response", "new_uuid"])
    patching.require(responses, ["get_account_id", "get_region", "request_scope"])
    patching.require(iam_evaluator, ["_RESOURCE_POLICY_LOOKUPS"])
    # Policies are looked up as functions of MiniStack's modules.
    dynamodb.table_policy_for_arn = table_policy
    iam_evaluator._RESOURCE_POLICY_LOOKUPS["dynamodb"] = ("dynamodb", "table_policy_for_arn")
    patching.wrap(dynamodb, "handle_request", _handle_request)
    patching.wrap(dynamodb, "_paginate_evaluated_items", _paginate)
    patching.wrap(dynamodb, "_add_consumed_capacity", _add_consumed_capacity)
    patching.wrap(dynamodb, "_batch_write_item", _batch_write_item)
    patching.replace(dynamodb, "_ttl_settings", _Settings())
    patching.require(provisioners, ["_RESOURCE_HANDLERS", "_physical_name"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    patching.wrap_entry(handlers, _TYPE, "create", _create_resource)
    patching.wrap_entry(handlers, _TYPE, "update", _update_resource)
    patching.wrap_entry(handlers, _TYPE, "delete", _delete_resource)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    is_batch = headers.get("x-amz-target", "").endswith(".BatchWriteItem")
    if is_batch and len(body) > MAXIMUM_REQUEST:
        return dynamodb.error_response_json(
            "ValidationException", f"The request is larger than {MAXIMUM_REQUEST} bytes.", 400
        )
    with responses.request_scope(_owner(body), responses.get_region()):
        return await original(method, path, headers, body, query)


# --- Tables of other accounts ------------------------------------------------------------------


def _owner(body: bytes) -> str:
    """Return the account of the table that a request names: the caller's, or that of an ARN."""
    caller = str(responses.get_account_id())
    try:
        request = json.loads(body)
        named = [request["TableName"]] if "TableName" in request else list(request["RequestItems"])
        return str(arns.parse_arn(named[0]).account_id)
    except (ValueError, LookupError, TypeError, arns.ArnParseError):
        return caller


def table_policy(arn: str) -> tuple[str | None, str] | None:
    """Return the policy of a table, if it has one, and the table's account."""
    try:
        parsed = arns.parse_arn(arn)
    except arns.ArnParseError:
        return None
    kept = dynamodb._resource_policies.get_scoped(parsed.account_id, parsed.region, arn) or {}
    return kept.get("Policy"), parsed.account_id


# --- Consumed capacity -------------------------------------------------------------------------


def _paginate(original: Any, *arguments: Any) -> Any:
    """Note what a page has read. MiniStack projects and filters only afterwards."""
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
    """Multiply MiniStack's units of a read, which are those of one block, by the blocks read."""
    original(result, data, table_name, *arguments, **options)
    consumed = result.get("ConsumedCapacity")
    if consumed is None:
        return
    consumed["TableName"] = data.get("TableName", table_name)
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
    """Leave out what a fault says, if the batch is a valid one."""
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
    """Say whether MiniStack would refuse the whole batch, by what it looks up before the items."""
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
    """The time to live of all tables. Only the thread that deletes asks for all; this ends it."""

    def all_items(self) -> Any:
        raise SystemExit


def delete_expired(now: float) -> int:
    """Delete the items of all tables that have expired at a time, and return how many."""
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
    """Answer POST {"now": seconds or null} by deleting what has expired then."""
    if method != "POST":
        return 400, {"error": "Only POST deletes."}
    now = json.loads(content)["now"]
    return 200, {"deleted": delete_expired(time.time() if now is None else float(now))}


# --- CloudFormation ----------------------------------------------------------------------------


def _create_resource(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    name = properties.get("TableName")
    if name and name in dynamodb._tables:
        raise ValueError(f"Resource of type '{_TYPE}' with identifier '{name}' already exists.")
    if not name:
        name = provisioners._physical_name(stack_name, logical_id, max_len=255)
        if name in dynamodb._tables:
            name = f"{name[:242]}-{dynamodb.new_uuid()[:12].upper()}"
    created = original(logical_id, {**properties, "TableName": name}, stack_name)
    _apply(name, properties)
    return created


def _update_resource(
    original: Any,
    physical_id: str,
    old: dict[str, Any],
    new: dict[str, Any],
    *names: str,
) -> Any:
    """Keep a generated name, which MiniStack would generate again."""
    named = {} if old.get("TableName") or new.get("TableName") else {"TableName": physical_id}
    before = {name: value for name, value in old.items() if name != "SSESpecification"}
    after = {name: value for name, value in new.items() if name != "SSESpecification"}
    updated = original(physical_id, before, {**after, **named}, *names)
    _apply(updated[0], new)
    return updated


def _apply(name: str, properties: dict[str, Any]) -> None:
    """Give a table the time to live and the encryption of its template."""
    expiry = properties.get("TimeToLiveSpecification") or {}
    dynamodb._ttl_settings.pop(name, None)
    if _is_true(expiry.get("Enabled")):
        dynamodb._ttl_settings[name] = {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": expiry["AttributeName"],
        }
    encryption = properties.get("SSESpecification") or {}
    table = dynamodb._tables[name]
    table["SSEDescription"] = None
    if _is_true(encryption.get("SSEEnabled")):
        table["SSEDescription"] = dynamodb._sse_description_from_spec(
            {**encryption, "Enabled": True}
        )


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _delete_resource(original: Any, physical_id: str, properties: dict[str, Any]) -> Any:
    dynamodb._ttl_settings.pop(physical_id, None)
    return original(physical_id, properties)
