"""Tries an access key on the log group that it is for, as its reader would."""

from __future__ import annotations

from collections.abc import Mapping

from openreplay_cw_stack.runtime.aws_calls import CallFailed, asked


def access_key_refusal(document: Mapping[str, str], region: str, log_group: str) -> str | None:
    """Read a log group with an access key. Return None if that works, else the error's code.

    IAM records this as a use of the key: a caller that waits for a reader's use must discount it.

    Args:
        document: has ``access_key_id`` and ``secret_access_key``.
        region: where the log group is.
        log_group: its name.
    """
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "logs",
        region_name=region,
        aws_access_key_id=document["access_key_id"],
        aws_secret_access_key=document["secret_access_key"],
        # Not the session token of the function's role.
        aws_session_token=None,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=10),
    )
    try:
        asked(client.filter_log_events, logGroupName=log_group, limit=1)
    except CallFailed as failed:
        return str(failed)
    return None
