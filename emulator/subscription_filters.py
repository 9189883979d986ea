"""Subscription filters of log groups: validation, and the events that they receive.

MiniStack 1.5.33 accepts any pattern, any number of filters and log groups of the Infrequent Access
class, and silently skips a filter on `/aws/lambda/<f>` whose destination is `<f>`.

AWS allows two filters per group (CloudWatch Logs API Reference, "PutSubscriptionFilter"; the page
"CloudWatch Logs quotas" says five since 2026, and this module keeps the stricter limit). It allows
none on Infrequent Access groups (User Guide, "Log classes"), and skips no filter ("Log recursion
prevention").

`log_destinations` checks the destination; `log_delivery` sends events to it. The quota of five
patterns with regular expressions is not checked, because the product uses one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import account_policies, log_delivery, log_destinations, logs, patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern
from emulator.logs import LogEvent

MAXIMUM_FILTERS = 2

_LOG = logging.getLogger("emulator.subscription_filters")
_FILTER_TYPE = "AWS::Logs::SubscriptionFilter"


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.wrap(service, "_put_subscription_filter", _put_subscription_filter)
    patching.replace(service, "_fanout_to_subscription_filters", deliver)
    patching.wrap(provisioners, "_cwlogs_subfilter_create", _create_filter)
    patching.wrap_resource_type(_FILTER_TYPE, create=_create_filter)


# --- Putting a filter --------------------------------------------------------------------------


def _put_subscription_filter(original: Any, data: dict[str, Any]) -> logs.Response:
    refusal = _refusal(data)
    if refusal is not None:
        return refusal
    response: logs.Response = original(data)
    if response[0] < 400:
        stored = service._log_groups[data["logGroupName"]]["subscriptionFilters"]
        log_delivery.check_health(_subscription(stored[data["filterName"]]))
    return response


def _create_filter(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    """Reject a filter on a group that does not exist. MiniStack would create the group."""
    if properties.get("LogGroupName") not in service._log_groups:
        raise ValueError("The specified log group does not exist.")
    return original(logical_id, properties, stack_name)


def _refusal(data: dict[str, Any]) -> logs.Response | None:
    group_name, filter_name = data["logGroupName"], data["filterName"]
    group = service._log_groups.get(group_name)
    if group is None:
        return logs.not_found("log group")
    if group.get("logGroupClass") == "INFREQUENT_ACCESS":
        return logs.invalid_parameter(
            "Subscription filters are not available for log groups of the Infrequent Access log "
            "class."
        )
    if data.get("distribution") not in (None, "ByLogStream", "Random"):
        return logs.invalid_parameter("distribution must be ByLogStream or Random.")
    pattern = data.get("filterPattern") or ""
    try:
        cached_filter_pattern(pattern)
    except InvalidFilterPattern as error:
        return logs.invalid_pattern(error)
    others = group["subscriptionFilters"].keys() - {filter_name}
    if len(others) >= MAXIMUM_FILTERS:
        return logs.limit_exceeded()
    return log_destinations.refusal(
        data.get("destinationArn") or "",
        data.get("roleArn") or "",
        group_name,
        "logs:PutSubscriptionFilter",
    )


# --- Delivering events -------------------------------------------------------------------------


def deliver(group_name: str, stream_name: str, events: Sequence[LogEvent]) -> None:
    """Send the events of a stream to every destination that is subscribed to them.

    MiniStack calls this wherever it stores events. An error must not fail the caller.
    """
    group = service._log_groups.get(group_name)
    if not group or not events:
        return
    filters = (group.get("subscriptionFilters") or {}).values()
    subscriptions = [_subscription(stored) for stored in list(filters)]
    subscriptions += account_policies.subscriptions_of(group_name, group)
    if not subscriptions:
        return
    try:
        identified = _with_ids(group, stream_name, events)
        for subscription in subscriptions:
            log_delivery.deliver(subscription, group_name, stream_name, identified)
    except Exception:
        _LOG.exception("delivery from %s failed", group_name)


def _subscription(stored: dict[str, Any]) -> log_destinations.Subscription:
    return log_destinations.Subscription(
        name=stored["filterName"],
        pattern=stored["filterPattern"],
        destination=stored["destinationArn"],
        role=stored.get("roleArn") or "",
        distribution=stored.get("distribution") or "ByLogStream",
    )


def _with_ids(
    group: dict[str, Any], stream_name: str, events: Sequence[LogEvent]
) -> list[LogEvent]:
    """Give events the ids of their stored copies.

    The output of a function arrives here as copies without ids, right after MiniStack has stored
    it.
    """
    kept = [event for event in events if event.get("message")]
    if all("eventId" in event for event in kept):
        return kept
    stored = group["streams"].get(stream_name, {}).get("events", [])[-len(kept) :]
    messages = [(event["timestamp"], event["message"]) for event in kept]
    if [(event["timestamp"], event["message"]) for event in stored] == messages:
        return list(stored)
    return [{**event, "eventId": logs.new_event_id(event["timestamp"])} for event in kept]
