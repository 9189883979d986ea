"""What our functions share in calling AWS: the runtime's boto3, and errors without their text."""

from __future__ import annotations

from typing import Any


def error_code(error: Exception) -> str:
    """The code of a botocore error, or the name of its class where it has none.

    Nothing else of an error leaves our functions: its message may quote the request.
    """
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code) if code else type(error).__name__


def aws_client(
    service: str, *, attempts: int, read_timeout: float, connect_timeout: float = 3
) -> Any:
    """A boto3 client.

    Args:
        service: boto3's name of the service.
        attempts: how often a call is made at most, with botocore's back-off between.
        read_timeout: seconds to wait for an answer to one attempt.
        connect_timeout: seconds to wait for a connection.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
    return boto3.client(service, config=config)
