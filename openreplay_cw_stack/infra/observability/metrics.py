"""The custom CloudWatch metrics, as CDK objects."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from openreplay_cw_stack.contract import metrics as names


def deployment_name(construct: Construct) -> str:
    """Return a value for the dimension ``Deployment`` that no other construct has."""
    return cdk.Names.unique_resource_name(construct, max_length=64, separator="-")


def deployment_metric(
    deployment: str,
    metric_name: str,
    dimensions: Mapping[str, str] | None = None,
    *,
    statistic: str = "Sum",
    period: cdk.Duration | None = None,
    label: str | None = None,
    color: str | None = None,
) -> cloudwatch.Metric:
    """Return a metric of :mod:`openreplay_cw_stack.contract.metrics`; default: five minutes."""
    return cloudwatch.Metric(
        namespace=names.NAMESPACE,
        metric_name=metric_name,
        dimensions_map={names.DEPLOYMENT: deployment, **(dimensions or {})},
        statistic=statistic,
        period=period,
        label=label,
        color=color,
    )
