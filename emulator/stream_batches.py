"""What Lambda does with a batch of stream records that failed.

Pure: it knows neither MiniStack nor clocks.

AWS: Lambda Developer Guide, "Configuring partial batch response with Kinesis Data Streams and
Lambda" and "Retain discarded batch records for a Kinesis Data Streams event source in Lambda"; API
Reference, "CreateEventSourceMapping":

- A batch is tried again until it succeeds, until MaximumRetryAttempts is used up, or until its
  records are older than MaximumRecordAgeInSeconds. Both are unlimited by default.
- With BisectBatchOnFunctionError a failed batch is split in two. Splitting uses up no retry.
- With ReportBatchItemFailures the lowest sequence number returned is a checkpoint: records before
  it are done, those from it on are tried again. An empty list, null, or no answer is success; an
  identifier that is empty, null, under another key, or not of this batch fails the whole batch.
- With both, the batch is split at the checkpoint. What happens where the checkpoint is the first
  record is not documented; here such a batch counts as failed as a whole and is halved.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How a mapping treats failures.

    Attributes:
        maximum_retries: Retries after the first attempt; `None` is without limit.
        maximum_age: Age of a record in seconds; `None` is without limit.
        bisect: Split a batch that failed.
        report_items: The function says which records failed.
    """

    maximum_retries: int | None = None
    maximum_age: float | None = None
    bisect: bool = False
    report_items: bool = False

    @staticmethod
    def of(mapping: dict[str, Any]) -> Settings:
        """Read the settings of a mapping, in which -1 is without limit."""
        retries = int(mapping.get("MaximumRetryAttempts", -1))
        age = float(mapping.get("MaximumRecordAgeInSeconds", -1))
        return Settings(
            maximum_retries=None if retries < 0 else retries,
            maximum_age=None if age < 0 else age,
            bisect=str(mapping.get("BisectBatchOnFunctionError")).lower() == "true",
            report_items="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        )


@dataclass
class Batch:
    """Records in the order of the stream, and how often they failed as they are."""

    records: list[Record]
    failures: int = 0


@dataclass
class Outcome:
    """What becomes of a batch.

    Attributes:
        again: What is to be tried, in this order.
        discarded: What was given up.
    """

    again: list[Batch] = field(default_factory=list)
    discarded: Batch | None = None


def failed_items(body: Any, identifiers: Sequence[str]) -> set[str] | None:
    """Return the identifiers that an answer reports as failed; `None` if everything failed."""
    if isinstance(body, str) and body:
        try:
            body = json.loads(body)
        except ValueError:
            return None
    if not body:
        return set()
    items = body.get("batchItemFailures") if isinstance(body, dict) else None
    if not items:
        return set()
    if not isinstance(items, list):
        return None
    found = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    known = {one for one in found if one and one in identifiers}
    return known if None not in found and known == set(found) else None


def after_attempt(batch: Batch, settings: Settings, *, error: bool, body: Any) -> Outcome:
    """Return what becomes of a batch that the function was invoked with."""
    identifiers = [record["SequenceNumber"] for record in batch.records]
    failed: set[str] | None = None
    if not error:
        failed = failed_items(body, identifiers) if settings.report_items else set()
    if failed is not None and not failed:
        return Outcome()
    checkpoint = identifiers.index(min(failed)) if failed else 0
    if settings.bisect and checkpoint > 0:
        return Outcome(again=[Batch(batch.records[checkpoint:], batch.failures)])
    if settings.bisect and len(batch.records) > 1:
        half = len(batch.records) // 2
        return Outcome(
            again=[
                Batch(batch.records[:half], batch.failures),
                Batch(batch.records[half:], batch.failures),
            ]
        )
    rest = Batch(batch.records[checkpoint:], batch.failures + 1)
    if settings.maximum_retries is not None and rest.failures > settings.maximum_retries:
        return Outcome(discarded=rest)
    return Outcome(again=[rest])


def expire(batch: Batch, settings: Settings, now: float) -> Outcome:
    """Separate the records that are too old to be tried."""
    if settings.maximum_age is None:
        return Outcome(again=[batch])
    oldest = now - settings.maximum_age
    old = [one for one in batch.records if one["ApproximateArrivalTimestamp"] < oldest]
    kept = batch.records[len(old) :]
    return Outcome(
        again=[Batch(kept, batch.failures)] if kept else [],
        discarded=Batch(old, batch.failures) if old else None,
    )
