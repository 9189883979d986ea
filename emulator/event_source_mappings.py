"""Event source mappings: which of them Lambda refuses, and batches from queues.

Kinesis streams are read in `stream_event_sources`.

MiniStack 1.5.33 accepts nearly any mapping: of a queue or stream that does not exist, with a role
that may not read it, with settings the kind of source does not have. An identifier in a partial
batch response that is not of the batch counts as success of all others. In CloudFormation, a
stream's BatchSize defaults to 10.

AWS:

- API Reference, "CreateEventSourceMapping": the ranges and defaults; StartingPosition is required
  for streams; a second mapping of the same function and source is a conflict.
- Lambda Developer Guide, "Creating and configuring an Amazon SQS event source mapping": the role
  needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes; a queue whose visibility
  timeout is shorter than the function's timeout is refused. "Lambda polls up to 5 batches at a
  time", more as messages keep coming (MaximumConcurrency 2 to 1000; MiniStack has 5 without it).
- "Handling errors for an SQS event source in Lambda": an identifier that is empty, null, under
  another key or not of the batch fails the whole batch. Messages that failed become visible again
  when their visibility timeout ends; a redrive policy counts every receipt.
- "Lambda, Kinesis Data Streams: permissions": the role needs kinesis:DescribeStream,
  DescribeStreamSummary, GetRecords, GetShardIterator, ListShards. ListStreams, which the managed
  policy has too, is not asked for here.

The permissions are evaluated when the mapping is created (`execution_roles`): a role of a template
must have its policy before the mapping, as on AWS.

AT_TIMESTAMP is refused as not implemented; for queues, so are batches of more than 10 messages and
windows. A batch of several messages may be larger than the 6 MB of an invocation.
"""

from __future__ import annotations

from typing import Any

from ministack.core import arn as arns
from ministack.services import kinesis, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from emulator import execution_roles, patching, stream_batches

MAXIMUM_BATCH = 10_000
MAXIMUM_QUEUE_BATCH = 10

_TYPE = "AWS::Lambda::EventSourceMapping"
_ACTIONS = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "kinesis": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    ),
}
_DEFAULT_BATCH_SIZES = {"sqs": 10}
_STREAM_SETTINGS = (
    "BisectBatchOnFunctionError",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
)
_RANGES = {
    "BatchSize": (1, MAXIMUM_BATCH),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRetryAttempts": (-1, 10_000),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
    "ParallelizationFactor": (1, 10),
}
_SHORTEST_MAXIMUM_AGE = 60


class Refused(ValueError):
    """Lambda refuses a mapping."""


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(lambda_svc, ["_esms", "_get_func_record_for_ref", "error_response_json"])
    patching.require(sqs, ["_delete_messages_for_esm", "_queue_by_arn"])
    patching.wrap(lambda_svc, "_create_esm", _create)
    patching.wrap(lambda_svc, "_update_esm", _update)
    patching.wrap(lambda_svc, "_run_sqs_batch", _run_queue_batch)
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    patching.wrap(provisioners, "_lambda_esm_create", _create_resource)
    patching.wrap_entry(handlers, _TYPE, "create", _create_resource)
    patching.wrap_entry(handlers, _TYPE, "update", _update_resource)


# --- Creating a mapping ------------------------------------------------------------------------


def _create(original: Any, data: dict[str, Any]) -> Any:
    kind = _kind(data)
    data = {"BatchSize": _DEFAULT_BATCH_SIZES.get(kind, 100), **data}
    try:
        _check_settings(data, kind)
        _check_source(data, kind)
    except Refused as error:
        return _refusal(error)
    return original(data)


def _update(original: Any, mapping_id: str, data: dict[str, Any]) -> Any:
    existing = lambda_svc._esms.get(mapping_id)
    if existing is not None:
        try:
            _check_settings({**existing, **data}, _kind(existing))
        except Refused as error:
            return _refusal(error)
    return original(mapping_id, data)


def _refusal(error: Refused) -> Any:
    code, status = "InvalidParameterValueException", 400
    if "already exists" in str(error):
        code, status = "ResourceConflictException", 409
    return lambda_svc.error_response_json(code, str(error), status)


def _kind(data: dict[str, Any]) -> str:
    try:
        return str(arns.parse_arn(data.get("EventSourceArn") or "").service)
    except arns.ArnParseError:
        return ""


def _check_settings(data: dict[str, Any], kind: str) -> None:
    for name, (low, high) in _RANGES.items():
        if data.get(name) is not None and not low <= int(data[name]) <= high:
            raise Refused(f"{name} must be between {low} and {high}.")
    age = int(data.get("MaximumRecordAgeInSeconds") or -1)
    if -1 < age < _SHORTEST_MAXIMUM_AGE:
        raise Refused(f"MaximumRecordAgeInSeconds must be -1 or at least {_SHORTEST_MAXIMUM_AGE}.")
    if kind == "sqs":
        _check_queue_settings(data)
    elif kind == "kinesis":
        position = data.get("StartingPosition")
        if position not in ("LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"):
            raise Refused(
                f"1 validation error detected: Value {position!r} at 'startingPosition' failed to "
                "satisfy constraint: it must be one of TRIM_HORIZON, LATEST, AT_TIMESTAMP"
            )
        if position == "AT_TIMESTAMP":
            raise Refused("AT_TIMESTAMP is not implemented by this emulator.")


def _check_queue_settings(data: dict[str, Any]) -> None:
    for name in _STREAM_SETTINGS:
        if data.get(name) is not None:
            raise Refused(f"Unsupported {name} parameter for given event source mapping type.")
    window = int(data.get("MaximumBatchingWindowInSeconds") or 0)
    if int(data["BatchSize"]) > MAXIMUM_QUEUE_BATCH or window:
        raise Refused("Such batches of a queue are not implemented by this emulator.")


def _check_source(data: dict[str, Any], kind: str) -> None:
    """Check the source as Lambda does, where both it and the function are of this account."""
    source = data.get("EventSourceArn") or ""
    function, config, name = lambda_svc._get_func_record_for_ref(data.get("FunctionName") or "")
    if kind not in _ACTIONS or not function or not config:
        return
    if arns.parse_arn(source).account_id != lambda_svc.get_account_id():
        return
    _check_role(config.get("Role") or "", source, kind)
    if kind == "kinesis":
        stream = source.partition(":stream/")[2].split("/")[0]
        if kinesis._streams.get(stream) is None:
            raise Refused(f"Stream not found: {source}")
    else:
        _check_queue(source, int(config.get("Timeout") or 3))
    if any(
        mapping["EventSourceArn"] == source and mapping["FunctionName"] == name
        for mapping in lambda_svc._esms.values()
    ):
        raise Refused(
            f"An event source mapping with event source {source} and function {name} already "
            "exists. Please update or delete the existing mapping."
        )


def _check_queue(source: str, function_timeout: int) -> None:
    queue = sqs._queue_by_arn(source)
    if queue is None:
        raise Refused(
            "Error occurred while ReceiveMessage. SQS Error Code: "
            "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does "
            "not exist."
        )
    visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
    if visibility < function_timeout:
        raise Refused(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
            f"{function_timeout} seconds"
        )


def _check_role(role: str, source: str, kind: str) -> None:
    for action in _ACTIONS[kind]:
        if not execution_roles.may(role, action, source):
            raise Refused(_missing_permission(action, source, kind))


def _missing_permission(action: str, source: str, kind: str) -> str:
    call = action.partition(":")[2]
    if kind == "sqs":
        return f"The provided execution role does not have permissions to call {call} on SQS"
    return (
        f"Cannot access stream {source}. Please ensure the role can perform the GetRecords, "
        "GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your stream in "
        f"Kinesis. ({call} is missing.)"
    )


# --- CloudFormation ----------------------------------------------------------------------------


def _create_resource(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    properties = _typed(properties)
    kind = _kind(properties)
    _check_settings(properties, kind)
    _check_source(properties, kind)
    created = original(logical_id, properties, stack_name)
    mapping = lambda_svc._esms[created[0]]
    if kind == "sqs":
        mapping.pop("StartingPosition", None)
    if not properties.get("Enabled", True):
        mapping["State"] = "Disabled"
    return created


def _update_resource(
    original: Any, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> Any:
    """Give what the new template leaves out its default again, which MiniStack keeps."""
    typed = _typed(new)
    _check_settings(typed, _kind(typed))
    defaults = {
        "BatchSize": typed["BatchSize"],
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "Enabled": True,
    }
    updated = original(physical_id, _typed(old), {**defaults, **typed}, stack_name)
    mapping = lambda_svc._esms.get(updated[0])
    for name in ("DestinationConfig", "FilterCriteria", "ScalingConfig", *_STREAM_SETTINGS):
        if mapping is not None and name not in typed:
            mapping.pop(name, None)
    return updated


def _typed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return properties with numbers and booleans where a template may have strings."""
    typed = {"BatchSize": _DEFAULT_BATCH_SIZES.get(_kind(properties), 100), **properties}
    for name in _RANGES:
        if typed.get(name) is not None:
            typed[name] = int(typed[name])
    for name in ("Enabled", "BisectBatchOnFunctionError"):
        if name in typed:
            typed[name] = str(typed[name]).lower() == "true"
    return typed


# --- Batches of a queue ------------------------------------------------------------------------


def _run_queue_batch(
    original: Any,
    mapping: dict[str, Any],
    function: dict[str, Any],
    event: dict[str, Any],
    batch: list[dict[str, Any]],
    queue_url: str,
    queue_name: str,
) -> None:
    """Fail the whole batch where the function reports a message that is not of it."""
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        original(mapping, function, event, batch, queue_url, queue_name)
        return
    handles = {message["id"]: message["receipt_handle"] for message in batch}
    result = lambda_svc._execute_function(function, event)
    failed = None
    if not result.get("error"):
        failed = stream_batches.failed_items(result.get("body"), list(handles))
    if failed is None:
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        return
    done = {handle for identifier, handle in handles.items() if identifier not in failed}
    sqs._delete_messages_for_esm(queue_url, done)
    mapping["LastProcessingResult"] = "OK"
