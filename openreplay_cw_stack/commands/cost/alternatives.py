"""What other ways to the same lines cost a month, by the same traffic and list prices.

Left out, to their advantage: what carries the lines there. Datadog's forwarder is a Lambda function
that is invoked for the same payloads, and so is whatever fills an OpenSearch domain.
"""

from __future__ import annotations

from dataclasses import dataclass

from openreplay_cw_stack.commands.cost.model import DEFAULT_COUNTS, LIST_PRICES, Counts, Traffic
from openreplay_cw_stack.commands.cost.prices import DAYS, GIGABYTE, HOURS, Prices

NODES = 2
"""Of an OpenSearch domain: the fewest that keep a replica."""
LEAST_NODE_GIGABYTES = 10.0
"""The least storage of a t3.small.search. Amazon OpenSearch Service Developer Guide, "Amazon
OpenSearch Service quotas", EBS volume size."""
STORAGE_FACTOR = 1.45
"""For a gigabyte of lines and each copy. The same guide, "Calculating storage requirements"."""
WINDOW_DAYS = 2.0
"""How long a session's lines are looked for: the default ``session_window``."""


@dataclass(frozen=True)
class Alternative:
    """Another way, and what it costs a month.

    Attributes:
        name: of it.
        dollars: a month.
    """

    name: str
    dollars: float


def alternatives(
    traffic: Traffic, counts: Counts = DEFAULT_COUNTS, prices: Prices = LIST_PRICES
) -> list[Alternative]:
    """Each way with its dollars a month.

    Args:
        traffic: of the month.
        counts: how long lines are kept.
        prices: list prices, or your own.
    """
    t3_small = prices.opensearch_t3_small_hour
    r6g_large = prices.opensearch_r6g_large_hour
    return [
        Alternative("Datadog, tagged lines only", _datadog(traffic.tagged_lines, traffic, prices)),
        Alternative("Datadog, every line", _datadog(traffic.all_lines, traffic, prices)),
        Alternative("OpenSearch, 2 t3.small", _opensearch(t3_small, traffic, counts, prices)),
        Alternative("OpenSearch, 2 r6g.large", _opensearch(r6g_large, traffic, counts, prices)),
        Alternative("Logs Insights on the raw log groups", _logs_insights(traffic, prices)),
        # FilterLogEvents costs nothing, whatever it reads.
        Alternative("polling the raw log groups", 0.0),
    ]


def _datadog(lines: float, traffic: Traffic, prices: Prices) -> float:
    ingested = lines * traffic.line_bytes / GIGABYTE
    return ingested * prices.datadog_gigabyte + lines * prices.datadog_event


def _opensearch(node_hour: float, traffic: Traffic, counts: Counts, prices: Prices) -> float:
    """Tagged lines only, for as long as the linked log group keeps its own."""
    lines = traffic.tagged_lines * counts.linked_retention_days / DAYS
    needed = lines * traffic.line_bytes / GIGABYTE * STORAGE_FACTOR * NODES
    storage = max(needed, LEAST_NODE_GIGABYTES * NODES)
    return NODES * HOURS * node_hour + storage * prices.opensearch_gigabyte


def _logs_insights(traffic: Traffic, prices: Prices) -> float:
    """A query for each question, over every line of a session's window."""
    written_in_window = traffic.all_lines * traffic.line_bytes / GIGABYTE * WINDOW_DAYS / DAYS
    return traffic.questions * written_in_window * prices.logs_scanned
