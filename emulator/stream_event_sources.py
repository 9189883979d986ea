"""Lambda functions that read Kinesis streams.

MiniStack 1.5.33 reads a stream on the thread that serves all mappings, so one slow function holds
up every other. It tries a failed batch for ever, once a second, and ignores
MaximumBatchingWindowInSeconds, BisectBatchOnFunctionError, MaximumRetryAttempts,
MaximumRecordAgeInSeconds, FunctionResponseTypes, ParallelizationFactor, DestinationConfig and
AT_TIMESTAMP. Where it is in a shard it knows as a number of records, which is wrong as soon as
records expire; a mapping starts at LATEST when it is first looked at, not when it is created.

AWS: Lambda Developer Guide, "Using Lambda to process records from Amazon Kinesis Data Streams",
"Processing Amazon Kinesis Data Streams records with Lambda", and the pages named in
`stream_batches`:

- Each shard is read on its own, one batch at a time; with a ParallelizationFactor, that many
  batches at a time, the records of a partition key in order.
- A batch is passed on once it is full (BatchSize, or 6 MB), or when the window has passed since its
  first record.
- A throttled batch is tried again and uses up no retry.
- What is given up goes to the on-failure destination as metadata, without the records.
- "Types of metrics for Lambda functions": IteratorAge is the age of the last record of a batch when
  the function gets it, in milliseconds.

A shard that appears after the mapping is read from its start. One minute of AWS is
LAMBDA_ASYNC_RETRY_BASE_SECONDS here, as in `asynchronous_invocation`; how long AWS waits between
the retries of a batch is not documented. MiniStack drops the records of a shard that is split or
merged, and so do mappings. Consumers with enhanced fan-out are not served.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ministack.core import arn as arns
from ministack.core import responses
from ministack.services import cloudwatch, kinesis, lambda_svc

from emulator import asynchronous_invocation, log_destinations, patching, stream_batches
from emulator.stream_batches import Batch, Record

DEFAULT_BATCH_SIZE = 100
MAXIMUM_PAYLOAD = 6 * 1024 * 1024

_LOG = logging.getLogger("emulator.stream_event_sources")
_SHORTEST_WAIT = 0.02


@dataclass
class _Lane:
    """One reader of a shard: all of it, or the partition keys of one of several lanes.

    Attributes:
        after: The sequence number of the last record that is done.
        busy: A batch is being processed.
        waiting_since: When the first record of the next batch was seen.
    """

    after: str
    busy: bool = False
    waiting_since: float | None = None


# By mapping, shard, number of lanes and number of the lane.
_lanes: dict[tuple[str, str, int, int], _Lane] = {}


def install() -> None:
    """Replace MiniStack's reading of Kinesis streams."""
    patching.require(
        lambda_svc,
        [
            "_LAMBDA_ASYNC_RETRY_BASE_SECONDS",
            "_apply_filter_criteria",
            "_esm_wake",
            "_esms",
            "_execute_function",
            "_get_func_record_for_qualifier",
            "_iter_all_esms",
            "spawn_background",
        ],
    )
    patching.require(kinesis, ["_expire_records", "_partition_key_to_hash", "_streams"])
    patching.require(responses, ["request_scope"])
    patching.replace(lambda_svc, "_poll_kinesis", _poll)
    patching.wrap(lambda_svc, "_init_stream_position", _start)
    patching.wrap(lambda_svc, "_release_esm_poll_state", _forget)


def _start(original: Any, mapping_id: str, source: str, starting: str) -> None:
    """Fix where a new mapping starts. MiniStack calls this before or after it stores it."""
    original(mapping_id, source, starting)
    stream = _stream(source)
    for shard_id, shard in ((stream or {}).get("shards") or {}).items():
        records = shard["records"]
        after = records[-1]["SequenceNumber"] if starting == "LATEST" and records else ""
        _lanes[(mapping_id, shard_id, 1, 0)] = _Lane(after)


def _forget(original: Any, mapping_id: str) -> None:
    original(mapping_id)
    for key in [key for key in _lanes if key[0] == mapping_id]:
        del _lanes[key]


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


def _poll() -> bool:
    """Start whatever batches are ready, and say whether there were any."""
    started = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        stream = _stream(mapping.get("EventSourceArn") or "")
        if stream is None or not _is_enabled(mapping):
            continue
        with responses.request_scope(account, region):
            for shard_id, shard in list(stream["shards"].items()):
                started = _poll_shard(mapping, stream, shard_id, shard) or started
    return started


def _is_enabled(mapping: dict[str, Any]) -> bool:
    return str(mapping.get("Enabled", True)).lower() == "true"


def _poll_shard(
    mapping: dict[str, Any], stream: dict[str, Any], shard_id: str, shard: dict[str, Any]
) -> bool:
    kinesis._expire_records(stream)
    started = False
    for number, lane in enumerate(lanes := _lanes_of(mapping, shard_id)):
        if lane.busy:
            continue
        records = _waiting_records(mapping, shard["records"], lane, len(lanes), number)
        if not _is_ready(mapping, lane, records):
            continue
        lane.busy, lane.waiting_since, started = True, None, True
        lambda_svc.spawn_background(
            *(_process, mapping, shard_id, lane, Batch(records)),
            thread_name=f"stream-event-source-{shard_id}",
        )
    return started


def _lanes_of(mapping: dict[str, Any], shard_id: str) -> list[_Lane]:
    """Return the lanes of a shard, none while those of another number of lanes are busy.

    Where the number changed, all start where the slowest was.
    """
    factor = int(mapping.get("ParallelizationFactor") or 1)
    keys = [(mapping["UUID"], shard_id, factor, number) for number in range(factor)]
    others = [key for key in _lanes if key[:2] == keys[0][:2] and key[2] != factor]
    if any(_lanes[key].busy for key in others):
        return []
    start = min([_lanes[key].after for key in others], default="")
    for key in others:
        del _lanes[key]
    for key in keys:
        _lanes.setdefault(key, _Lane(start))
    return [_lanes[key] for key in keys]


def _waiting_records(
    mapping: dict[str, Any], records: list[Record], lane: _Lane, factor: int, number: int
) -> list[Record]:
    """Return the next records of a lane, as many as a batch may have."""
    found: list[Record] = []
    size = 0
    for record in list(records):
        if record["SequenceNumber"] <= lane.after:
            continue
        if factor > 1 and kinesis._partition_key_to_hash(record["PartitionKey"]) % factor != number:
            continue
        size += len(record["Data"])
        if found and size > MAXIMUM_PAYLOAD:
            break
        found.append(record)
        if len(found) == int(mapping.get("BatchSize") or DEFAULT_BATCH_SIZE):
            break
    return found


def _is_ready(mapping: dict[str, Any], lane: _Lane, records: list[Record]) -> bool:
    if not records:
        return False
    window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    if window <= 0 or len(records) >= int(mapping.get("BatchSize") or DEFAULT_BATCH_SIZE):
        return True
    now = time.monotonic()
    if lane.waiting_since is None:
        lane.waiting_since = now
    return now - lane.waiting_since >= window


# --- Processing a batch ------------------------------------------------------------------------


def _process(mapping: dict[str, Any], shard_id: str, lane: _Lane, batch: Batch) -> None:
    try:
        _process_until_done(mapping, shard_id, lane, batch)
    finally:
        lane.busy = False
        lambda_svc._esm_wake.set()


def _process_until_done(mapping: dict[str, Any], shard_id: str, lane: _Lane, first: Batch) -> None:
    waiting, waits = [first], 0
    while waiting and mapping["UUID"] in lambda_svc._esms and _is_enabled(mapping):
        function, _ = lambda_svc._get_func_record_for_qualifier(
            mapping["FunctionName"], mapping.get("Qualifier")
        )
        if function is None:
            return
        settings = stream_batches.Settings.of(mapping)
        batch = waiting.pop(0)
        expired = stream_batches.expire(batch, settings, time.time())
        if expired.discarded:
            _discard(mapping, shard_id, function, expired.discarded, {}, "MaxRecordAgeExceeded")
            lane.after = expired.discarded.records[-1]["SequenceNumber"]
        if not expired.again:
            continue
        batch = expired.again[0]
        result = _invoke(mapping, shard_id, function, batch)
        if result.get("throttle"):
            waiting.insert(0, batch)
        else:
            outcome = stream_batches.after_attempt(
                batch, settings, error=bool(result.get("error")), body=result.get("body")
            )
            if outcome.discarded:
                _discard(
                    *(mapping, shard_id, function, outcome.discarded, result),
                    "RetryAttemptsExhausted",
                )
            waiting = outcome.again + waiting
            failed = bool(outcome.again or outcome.discarded)
            mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if failed else "OK"
            lane.after = _done_until(batch, outcome, lane.after)
            if not outcome.again:
                waits = 0
                continue
        waits += 1
        time.sleep(_wait(waits))


def _done_until(batch: Batch, outcome: stream_batches.Outcome, after: str) -> str:
    """Return the sequence number of the last record of a batch that needs no other attempt."""
    if not outcome.again:
        return str(batch.records[-1]["SequenceNumber"])
    remaining = outcome.again[0].records[0]["SequenceNumber"]
    numbers: list[str] = [record["SequenceNumber"] for record in batch.records]
    return max([after, *(number for number in numbers if number < remaining)])


def _wait(waits: int) -> float:
    minute: float = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
    return max(_SHORTEST_WAIT, min(minute / 60 * 2.0 ** min(waits, 20), minute))


def _invoke(
    mapping: dict[str, Any], shard_id: str, function: dict[str, Any], batch: Batch
) -> dict[str, Any]:
    """Invoke the function with those records of a batch that pass the mapping's filters."""
    role = (function.get("config") or {}).get("Role") or ""
    records = [_event_record(mapping, shard_id, role, record) for record in batch.records]
    records = lambda_svc._apply_filter_criteria(records, mapping)
    if not records:
        return {"body": None}
    depths = [record.get(log_destinations.DEPTH, 0) for record in batch.records]
    lambda_svc._invoke_depth.set(max(depths))
    batch_id = lambda_svc.new_uuid()
    asynchronous_invocation.current_request_id.set(batch_id)
    age = time.time() - batch.records[-1]["ApproximateArrivalTimestamp"]
    dimensions = {"FunctionName": mapping["FunctionName"]}
    cloudwatch.record_metric(
        *("AWS/Lambda", "IteratorAge", max(0.0, age * 1000), "Milliseconds", dimensions)
    )
    result: dict[str, Any] = lambda_svc._execute_function(function, {"Records": records})
    if result.get("log"):
        _LOG.info("output of %s:\n%s", mapping["FunctionName"], result["log"])
    return {**result, "request_id": batch_id}


def _event_record(
    mapping: dict[str, Any], shard_id: str, role: str, record: Record
) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": _base64(record["Data"]),
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


def _base64(data: Any) -> str:
    return base64.b64encode(data).decode() if isinstance(data, bytes) else str(data)


def _discard(
    mapping: dict[str, Any],
    shard_id: str,
    function: dict[str, Any],
    batch: Batch,
    result: dict[str, Any],
    condition: str,
) -> None:
    """Give records up, and tell the on-failure destination."""
    _LOG.warning("%d records of %s are given up: %s", len(batch.records), shard_id, condition)
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get(
        "Destination"
    )
    if not destination:
        return
    first, last = batch.records[0], batch.records[-1]
    config = function.get("config") or {}
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": result.get("request_id") or lambda_svc.new_uuid(),
            "functionArn": mapping["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": batch.failures,
        },
        "version": "1.0",
        "timestamp": _iso(time.time()),
        "KinesisBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _iso(first["ApproximateArrivalTimestamp"]),
            "approximateArrivalOfLastRecord": _iso(last["ApproximateArrivalTimestamp"]),
            "batchSize": len(batch.records),
            "streamArn": mapping["EventSourceArn"],
        },
    }
    if result:
        context = {"statusCode": 200, "executedVersion": config.get("Version") or "$LATEST"}
        if result.get("error"):
            context["functionError"] = result.get("function_error") or "Unhandled"
        record["responseContext"] = context
    role = config.get("Role") or ""
    if not asynchronous_invocation.send(destination, json.dumps(record), role=role):
        cloudwatch.record_metric(
            "AWS/Lambda",
            "DestinationDeliveryFailures",
            *(1, "Count", {"FunctionName": mapping["FunctionName"]}),
        )


def _iso(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
