"""The size of messages of SQS.

MiniStack 1.5.33 counts the body of a message only.

AWS: SQS Developer Guide, "Amazon SQS message quotas": a message is at most 1 MiB, or the queue's
MaximumMessageSize, with its attributes; so is a batch as a whole. API Reference, "SendMessage":
name, type and value of an attribute all count.
"""

from __future__ import annotations

import base64
from typing import Any

from ministack.services import sqs

from emulator import patching

MAXIMUM_SIZE = 1_048_576


def install() -> None:
    """Replace MiniStack's checks."""
    patching.require(sqs, ["_Err", "_HANDLERS", "_get_q"])
    patching.wrap(sqs, "_act_send_message", _send)
    patching.wrap(sqs, "_act_send_message_batch", _send_batch)
    # Requests find their handlers here.
    owner = "ministack.services.sqs._HANDLERS"
    patching.wrap_entry(sqs._HANDLERS, owner, "SendMessage", _send)
    patching.wrap_entry(sqs._HANDLERS, owner, "SendMessageBatch", _send_batch)


def size_of(message: dict[str, Any]) -> int:
    """Return the size of a message in bytes, as SQS counts it."""
    size = len((message.get("MessageBody") or "").encode())
    for name, attribute in (message.get("MessageAttributes") or {}).items():
        size += len(name.encode()) + len(str(attribute.get("DataType") or "").encode())
        size += len((attribute.get("StringValue") or "").encode())
        binary = attribute.get("BinaryValue") or b""
        size += len(binary if isinstance(binary, bytes) else base64.b64decode(binary))
    return size


def _send(original: Any, data: dict[str, Any], queue_url: str) -> Any:
    attributes = sqs._get_q(data.get("QueueUrl", queue_url))["attributes"]
    maximum = int(attributes.get("MaximumMessageSize") or MAXIMUM_SIZE)
    if size_of(data) > maximum:
        raise sqs._Err(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{maximum} bytes.",
        )
    return original(data, queue_url)


def _send_batch(original: Any, data: dict[str, Any], queue_url: str) -> Any:
    size = sum(map(size_of, data.get("Entries") or []))
    if size > MAXIMUM_SIZE:
        raise sqs._Err(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAXIMUM_SIZE} bytes. You have sent {size} "
            "bytes.",
        )
    return original(data, queue_url)
