"""The enums among the options. Each value's text is accepted in its place."""

from __future__ import annotations

from enum import Enum


class Ingest(Enum):
    """How lines get from CloudWatch Logs to the validator."""

    DIRECT = "direct"
    """CloudWatch Logs invokes the function."""
    KINESIS = "kinesis"
    """CloudWatch Logs writes to a stream that the function reads: a peak waits in it."""


class ServiceAccountAccess(Enum):
    """What the service account's key may do."""

    SCOPED = "scoped"
    """``logs:FilterLogEvents`` on its log groups: all that OpenReplay's poller calls."""
    SCOPED_AND_DESCRIBE = "scoped_and_describe"
    """That, and ``logs:DescribeLogGroups``: OpenReplay up to v1.14 lists groups in a form."""
    CLOUD_WATCH_READ_ONLY = "cloud_watch_read_only"
    """AWS's CloudWatchReadOnlyAccess, as OpenReplay's page asks for: it reads every log group,
    metric and alarm of the account, from any address."""
