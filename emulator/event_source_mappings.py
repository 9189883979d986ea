"""Event source mappings: which of them Lambda rejects, and which messages failed.

MiniStack 1.5.33 accepts nearly any mapping, such as one of a missing queue, or with a role that may
not read the source. If a partial batch response contains an identifier from outside the batch, it
treats the rest of the batch as successful. After a failure it pauses the whole mapping.

AWS rejects a role that may not read the source, and a queue whose visibility timeout is shorter
than the function's timeout (Lambda Developer Guide, "Creating and configuring an Amazon SQS event
source mapping", "Processing Amazon Kinesis Data Streams records with Lambda"). An identifier that
is empty, null or not in the batch fails the whole batch ("Handling errors for an SQS event source
in Lambda").

The ranges of settings are not checked, because the CDK and cfn-lint check them. The role does not
need kinesis:ListStreams, although AWS's managed policy includes it. `stream_event_sources` reads
Kinesis streams.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ministack.core import arn as arns
from ministack.services import kinesis, lambda_svc, sqs

from emulator import patching, permissions

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


class Refused(ValueError):
    """Lambda rejects a mapping."""


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(lambda_svc, ["_get_func_record_for_ref", "error_response_json"])
    patching.require(sqs, ["_delete_messages_for_esm", "_queue_by_arn"])
    patching.wrap(lambda_svc, "_create_esm", _create)
    patching.wrap(lambda_svc, "_run_sqs_batch", _run_queue_batch)
    patching.wrap_resource_type(_TYPE, create=_create_resource)


# --- Creating a mapping ------------------------------------------------------------------------


def _create(original: Any, data: dict[str, Any]) -> Any:
    try:
        _check(data)
    except Refused as error:
        return lambda_svc.error_response_json("InvalidParameterValueException", str(error), 400)
    return original(data)


def _create_resource(original: Any, logical_id: str, properties: dict[str, Any], stack: str) -> Any:
    _check(properties)
    return original(logical_id, properties, stack)


def _check(data: dict[str, Any]) -> None:
    """Check the source as Lambda does, if both it and the function belong to this account."""
    source = data.get("EventSourceArn") or ""
    try:
        parsed = arns.parse_arn(source)
    except arns.ArnParseError:
        return
    function, config, _ = lambda_svc._get_func_record_for_ref(data.get("FunctionName") or "")
    if parsed.service not in _ACTIONS or not function or not config:
        return
    for action in _ACTIONS[parsed.service]:
        if not permissions.role_may(config.get("Role") or "", action, source):
            raise Refused(
                f"The provided execution role does not have permissions to call {action} on "
                f"{source}"
            )
    if parsed.service == "kinesis":
        if data.get("StartingPosition") != "TRIM_HORIZON":
            raise Refused("This emulator implements TRIM_HORIZON only.")
        if kinesis._streams.get(source.partition(":stream/")[2]) is None:
            raise Refused(f"Stream not found: {source}")
    else:
        _check_queue(source, int(config.get("Timeout") or 3))


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


# --- Batches -----------------------------------------------------------------------------------


def failed_items(body: Any, identifiers: Sequence[str]) -> set[str] | None:
    """Return the identifiers that a response reports as failed; `None` if everything failed."""
    if isinstance(body, str) and body:
        try:
            body = json.loads(body)
        except ValueError:
            return None
    items = body.get("batchItemFailures") if isinstance(body, dict) else None
    if not items:
        return set()
    if not isinstance(items, list):
        return None
    found = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    known = {one for one in found if one and one in identifiers}
    return known if None not in found and known == set(found) else None


def _run_queue_batch(
    original: Any,
    mapping: dict[str, Any],
    function: dict[str, Any],
    event: dict[str, Any],
    batch: list[dict[str, Any]],
    queue_url: str,
    queue_name: str,
) -> None:
    """Delete the messages that did not fail."""
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        original(mapping, function, event, batch, queue_url, queue_name)
        return
    handles = {message["id"]: message["receipt_handle"] for message in batch}
    result = lambda_svc._execute_function(function, event)
    failed = None
    if not result.get("error"):
        failed = failed_items(result.get("body"), list(handles))
    if failed is None:
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        return
    done = {handle for identifier, handle in handles.items() if identifier not in failed}
    sqs._delete_messages_for_esm(queue_url, done)
    mapping["LastProcessingResult"] = "OK"
