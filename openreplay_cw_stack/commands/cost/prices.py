"""List prices. Without free tiers, volume tiers, discounts and taxes."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"
DATE = "2026"
"""When the prices were published; the newest source is of September. Look again before you sign."""

HOURS = 730.0
"""Hours of a month, as the AWS Pricing Calculator counts them."""
DAYS = HOURS / 24
"""Days of such a month."""
GIGABYTE = 1e9
"""Bytes. The pages do not all say whether theirs is 7 % larger; this is the dearer reading."""


@dataclass(frozen=True)
class Prices:
    """Dollars, in the region :data:`REGION`, as the price pages named have them.

    Attributes:
        logs_written: a gigabyte. "Amazon CloudWatch pricing", Logs, Standard class, Collect; the
            lines that a Lambda function prints cost the same in their first tier.
        logs_kept: a gigabyte, compressed, and month. The same page, Store.
        logs_scanned: a gigabyte. The same page, Analyze (Logs Insights queries).
        custom_metric: a month, of the first 10,000. The same page, Metrics.
        alarm_metric: a month and metric that a standard resolution alarm looks at. The same page,
            Alarms.
        dashboard: a month. The same page, Dashboards.
        lambda_request: one. "AWS Lambda pricing".
        lambda_gigabyte_second: on arm64, in the first tier. The same page.
        http_api_request: one. "Amazon API Gateway pricing", HTTP APIs.
        internet_gigabyte: to the Internet, in the first tier. "Amazon EC2 On-Demand Pricing",
            Data Transfer.
        secret: a month. "AWS Secrets Manager pricing".
        secret_call: one. The same page.
        key: a customer managed key and month. "AWS Key Management Service pricing".
        key_request: one. The same page.
        queue_request: one, of a standard queue. "Amazon SQS pricing".
        alarm_email: one. "Amazon SNS pricing", Email.
        stream_hour: an on-demand stream. "Amazon Kinesis Data Streams pricing".
        stream_gigabyte_in: written to it. The same page.
        stream_gigabyte_out: read from it. The same page.
        datadog_gigabyte: ingested. "Datadog pricing", Log Management.
        datadog_event: indexed for 15 days, with a year's commitment; half as much again without.
            The same page.
        opensearch_t3_small_hour: a t3.small.search. "Amazon OpenSearch Service pricing".
        opensearch_r6g_large_hour: an r6g.large.search. The same page.
        opensearch_gigabyte: of gp3 storage and month. The same page.
    """

    logs_written: float = 0.50
    logs_kept: float = 0.03
    logs_scanned: float = 0.005
    custom_metric: float = 0.30
    alarm_metric: float = 0.10
    dashboard: float = 3.00
    lambda_request: float = 0.20e-6
    lambda_gigabyte_second: float = 0.0000133334
    http_api_request: float = 1.00e-6
    internet_gigabyte: float = 0.09
    secret: float = 0.40
    secret_call: float = 0.05 / 10_000
    key: float = 1.00
    key_request: float = 0.03 / 10_000
    queue_request: float = 0.40e-6
    alarm_email: float = 2.00 / 100_000
    stream_hour: float = 0.04
    stream_gigabyte_in: float = 0.08
    stream_gigabyte_out: float = 0.04
    datadog_gigabyte: float = 0.10
    datadog_event: float = 1.70e-6
    opensearch_t3_small_hour: float = 0.036
    opensearch_r6g_large_hour: float = 0.167
    opensearch_gigabyte: float = 0.122
