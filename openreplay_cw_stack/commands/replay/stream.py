"""Reads records of a Kinesis stream again, if the stream still has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.replay.errors import NotReplayed
from openreplay_cw_stack.runtime.aws_calls import CallFailed, asked

_SECONDS_PER_READ = 0.2
"""A shard allows five GetRecords a second."""


@dataclass(frozen=True)
class Shard:
    """Reads records of one shard again.

    Attributes:
        client: a client of Kinesis.
        arn: the ARN of the stream.
        shard: the shard's id.
        sleep: waits for a number of seconds.
    """

    client: Any
    arn: str
    shard: str
    sleep: Callable[[float], None]

    def records(self, first: str, last: int) -> Iterator[Mapping[str, Any]]:
        """Read the records from one sequence number to another that the stream still has.

        Raises:
            NotReplayed: Kinesis refuses a call.
        """
        iterator = self._ask(
            self.client.get_shard_iterator,
            ShardId=self.shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=first,
        )["ShardIterator"]
        while iterator is not None:
            answer = self._ask(self.client.get_records, ShardIterator=iterator)
            for record in answer["Records"]:
                if int(record["SequenceNumber"]) > last:
                    return
                yield record
                if int(record["SequenceNumber"]) == last:
                    return
            if not answer["Records"] and not answer.get("MillisBehindLatest"):
                return
            iterator = answer.get("NextShardIterator")
            self.sleep(_SECONDS_PER_READ)

    def _ask(self, call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        try:
            return asked(call, StreamARN=self.arn, **arguments)
        except CallFailed as failed:
            raise NotReplayed(f"the stream cannot be read: {failed}") from None
