"""The enums among the options. An option also accepts the value of a member."""

from __future__ import annotations

from enum import Enum


class Ingest(Enum):
    """How lines get from CloudWatch Logs to the validator."""

    DIRECT = "direct"
    """CloudWatch Logs invokes the function."""
    KINESIS = "kinesis"
    """CloudWatch Logs writes to a stream, which buffers peaks; the function reads the stream."""


class ServiceAccountAccess(Enum):
    """The permissions of the service account's key."""

    SCOPED = "scoped"
    """``logs:FilterLogEvents`` on its log groups: the only call of OpenReplay's poller."""
    SCOPED_AND_DESCRIBE = "scoped_and_describe"
    """Also ``logs:DescribeLogGroups``: the form of OpenReplay up to v1.14 lists log groups."""
    CLOUD_WATCH_READ_ONLY = "cloud_watch_read_only"
    """The AWS managed policy CloudWatchReadOnlyAccess, which OpenReplay's page requires. It allows
    reading every log group, metric and alarm of the account, from any address."""
