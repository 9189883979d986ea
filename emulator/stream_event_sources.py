"""Lambda functions that read Kinesis streams.

MiniStack 1.5.33 reads streams on the thread that serves all mappings, so one slow function delays
all others. It ignores FunctionResponseTypes and BisectBatchOnFunctionError. It stores its position
in a shard as a number of records, which is wrong as soon as records expire.

AWS reads each shard separately, one batch at a time (Lambda Developer Guide, "Processing Amazon
Kinesis Data Streams records with Lambda"). The lowest sequence number that a function reports is a
checkpoint, and AWS retries the batch from there. With BisectBatchOnFunctionError, AWS splits a
failed batch in half, or at the checkpoint ("Configuring partial batch response with Kinesis Data
Streams and Lambda").

Here batches are retried until they succeed, as on AWS by default. MaximumRetryAttempts,
MaximumRecordAgeInSeconds, DestinationConfig, ParallelizationFactor and
MaximumBatchingWindowInSeconds have no effect. A stream is always read from its start. AWS does not
document its wait between retries; here it is at most LAMBDA_ASYNC_RETRY_BASE_SECONDS.
"""

from __future__ import annotations

import base64
import logging
import time
from dataclasses import dataclass
from typing import Any

from ministack.core import arn as arns
from ministack.core import responses
from ministack.services import kinesis, lambda_svc

from emulator import asynchronous_invocation, log_delivery, patching
from emulator.event_source_mappings import failed_items

DEFAULT_BATCH_SIZE = 100
MAXIMUM_PAYLOAD = 6 * 1024 * 1024

Record = dict[str, Any]
Mapping = dict[str, Any]

_LOG = logging.getLogger("emulator.stream_event_sources")
_MIN_WAIT = 0.02


@dataclass
class _Position:
    """The position of a mapping in a shard.

    Attributes:
        after: The sequence number of the last processed record.
        busy: Whether a batch is being processed.
    """

    after: str = ""
    busy: bool = False


# Keyed by mapping and shard.
_positions: dict[tuple[str, str], _Position] = {}


def install() -> None:
    """Replace MiniStack's reading of Kinesis streams."""
    patching.require(
        lambda_svc,
        [
            "_LAMBDA_ASYNC_RETRY_BASE_SECONDS",
            "_esm_wake",
            "_esms",
            "_execute_function",
            "_get_func_record_for_qualifier",
            "_iter_all_esms",
            "spawn_background",
        ],
    )
    patching.require(kinesis, ["_expire_records", "_streams"])
    patching.require(responses, ["request_scope"])
    patching.replace(lambda_svc, "_poll_kinesis", _poll)
    patching.wrap(lambda_svc, "_release_esm_poll_state", _forget)


def _forget(original: Any, mapping_id: str) -> None:
    original(mapping_id)
    for key in [key for key in _positions if key[0] == mapping_id]:
        del _positions[key]


def _poll() -> bool:
    """Start the batches that are ready, and return whether there were any."""
    started = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        stream = _stream(mapping.get("EventSourceArn") or "")
        if stream is None or not mapping.get("Enabled", True):
            continue
        with responses.request_scope(account, region):
            kinesis._expire_records(stream)
            for shard_id, shard in list(stream["shards"].items()):
                started = _poll_shard(mapping, shard_id, shard["records"]) or started
    return started


def _stream(source: str) -> dict[str, Any] | None:
    try:
        parsed = arns.parse_arn(source)
    except arns.ArnParseError:
        return None
    if parsed.service != "kinesis":
        return None
    name = source.partition(":stream/")[2]
    stream: dict[str, Any] | None = kinesis._streams.get_scoped(
        parsed.account_id, parsed.region, name
    )
    return stream


def _poll_shard(mapping: Mapping, shard_id: str, records: list[Record]) -> bool:
    position = _positions.setdefault((mapping["UUID"], shard_id), _Position())
    batch = [] if position.busy else _next_batch(mapping, records, position.after)
    if not batch:
        return False
    position.busy = True
    lambda_svc.spawn_background(
        *(_process, mapping, shard_id, position, batch),
        thread_name=f"stream-event-source-{shard_id}",
    )
    return True


def _next_batch(mapping: Mapping, records: list[Record], after: str) -> list[Record]:
    found: list[Record] = []
    size = 0
    for record in list(records):
        if record["SequenceNumber"] <= after:
            continue
        size += len(record["Data"])
        if found and size > MAXIMUM_PAYLOAD:
            break
        found.append(record)
        if len(found) == int(mapping.get("BatchSize") or DEFAULT_BATCH_SIZE):
            break
    return found


# --- Processing a batch ------------------------------------------------------------------------


def _process(mapping: Mapping, shard_id: str, position: _Position, batch: list[Record]) -> None:
    try:
        waiting = _process_until_done(mapping, shard_id, batch)
        rest = waiting[0][0]["SequenceNumber"] if waiting else ""
        done = [one["SequenceNumber"] for one in batch if not rest or one["SequenceNumber"] < rest]
        position.after = max([position.after, *done])
    finally:
        position.busy = False
        lambda_svc._esm_wake.set()


def _process_until_done(mapping: Mapping, shard_id: str, first: list[Record]) -> list[list[Record]]:
    """Process a batch until it is done or the mapping is gone. Return the remaining records."""
    waiting, failures = [first], 0
    while waiting and mapping["UUID"] in lambda_svc._esms and mapping.get("Enabled", True):
        function, _ = lambda_svc._get_func_record_for_qualifier(
            mapping["FunctionName"], mapping.get("Qualifier")
        )
        if function is None:
            break
        batch = waiting.pop(0)
        again = after_attempt(mapping, batch, _invoke(mapping, shard_id, function, batch))
        waiting = again + waiting
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if again else "OK"
        if again:
            time.sleep(_wait(failures))
        failures = failures + 1 if again else 0
    return waiting


def _wait(failures: int) -> float:
    minute: float = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
    return max(_MIN_WAIT, min(minute / 60 * 2.0 ** min(failures, 20), minute))


def after_attempt(
    mapping: Mapping, batch: list[Record], result: dict[str, Any]
) -> list[list[Record]]:
    """Return the batches to retry after an invocation."""
    if result.get("throttle"):
        return [batch]
    identifiers = [record["SequenceNumber"] for record in batch]
    failed: set[str] | None = None
    if not result.get("error"):
        reports = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
        failed = failed_items(result.get("body"), identifiers) if reports else set()
    if failed is not None and not failed:
        return []
    checkpoint = identifiers.index(min(failed)) if failed else 0
    rest = batch[checkpoint:]
    bisects = str(mapping.get("BisectBatchOnFunctionError")).lower() == "true"
    if bisects and checkpoint == 0 and len(rest) > 1:
        half = len(rest) // 2
        return [rest[:half], rest[half:]]
    return [rest]


def _invoke(
    mapping: Mapping, shard_id: str, function: dict[str, Any], batch: list[Record]
) -> dict[str, Any]:
    role = (function.get("config") or {}).get("Role") or ""
    records = [_event_record(mapping, shard_id, role, record) for record in batch]
    depths = [record.get(log_delivery.DEPTH, 0) for record in batch]
    lambda_svc._invoke_depth.set(max(depths))
    asynchronous_invocation.current_request_id.set(lambda_svc.new_uuid())
    result: dict[str, Any] = lambda_svc._execute_function(function, {"Records": records})
    if result.get("log"):
        _LOG.info("output of %s:\n%s", mapping["FunctionName"], result["log"])
    return result


def _event_record(mapping: Mapping, shard_id: str, role: str, record: Record) -> dict[str, Any]:
    data = record["Data"]
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(data).decode() if isinstance(data, bytes) else str(data),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": mapping["EventSourceArn"].split(":")[3],
        "eventSourceARN": mapping["EventSourceArn"],
    }
