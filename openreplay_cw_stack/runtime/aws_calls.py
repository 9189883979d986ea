"""What our functions share in calling AWS: the runtime's boto3, and errors without their text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class CallFailed(Exception):
    """AWS refused a call, or did not answer. The message is the error's code alone."""


def error_code(error: Exception) -> str:
    """The code of a botocore error, or the name of its class where it has none.

    Nothing else of an error leaves our functions: its message may quote the request.
    """
    if isinstance(error, CallFailed):
        return str(error)
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code) if code else type(error).__name__


def aws_client(
    service: str,
    *,
    attempts: int,
    read_timeout: float,
    connect_timeout: float = 3,
    region: str | None = None,
) -> Any:
    """A boto3 client.

    Args:
        service: boto3's name of the service.
        attempts: how often a call is made at most, with botocore's back-off between.
        read_timeout: seconds to wait for an answer to one attempt.
        connect_timeout: seconds to wait for a connection.
        region: where to call; default: where the function runs.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
    return boto3.client(service, config=config, region_name=region)


def asked(call: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """Make a call of a boto3 client.

    Raises:
        CallFailed: it failed.
    """
    try:
        return call(**arguments)
    except Exception as error:
        raise CallFailed(error_code(error)) from None


def texts_of(secret_string: str | None) -> dict[str, str]:
    """The texts in the JSON object that a secret holds; none where it holds another thing."""
    try:
        document = json.loads(secret_string or "")
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: value for name, value in document.items() if isinstance(value, str)}


def region_of(arn: str) -> str | None:
    """The region in an ARN; None where it has none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and parts[3] else None
