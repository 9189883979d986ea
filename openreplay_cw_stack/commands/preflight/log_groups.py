"""Checks the log groups that will be created and tracked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from openreplay_cw_stack.commands.deployed.tracked_log_groups import (
    ACCOUNT_POLICY,
    FILTER,
    LOGS_DESTINATION,
    STANDARD,
    STANDARD_ONLY,
    beside,
    class_of,
    find_log_group,
    subscription_filters,
)
from openreplay_cw_stack.commands.preflight.plan import Context, Planned
from openreplay_cw_stack.commands.report.findings import (
    Finding,
    Step,
    fail,
    guarded,
    ok,
    skip,
    warn,
)
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.contract.limits import FILTERS_ALLOWED, FILTERS_COMMON
from openreplay_cw_stack.version import VERSION

_NAME = "log group"
_GROUP = "AWS::Logs::LogGroup"


def check_log_groups(context: Context) -> Step[None]:
    """Check that log groups to create do not exist, and that log groups to track can be tracked."""
    created = {one.logical_id: one for one in context.plan.of_kind(_GROUP)}
    for group in created.values():
        name = group.text("LogGroupName")
        if name is not None:
            yield from guarded(_NAME, _created(context, name), denied=skip)
    filters = list(context.plan.of_kind(FILTER))
    in_template = Counter(one.text("LogGroupName") for one in filters)
    for subscription in filter(_is_ours, filters):
        name = subscription.text("LogGroupName")
        if name is None and not _names_one_of(subscription, created):
            yield skip(
                _NAME,
                f"{subscription.logical_id}: its log group is known only at deployment",
            )
        elif name is not None and name not in _names(created.values()):
            step = _tracked(context, name, in_template[name])
            yield from guarded(_NAME, step, denied=skip)
    others = (*context.plan.of_kind(ACCOUNT_POLICY), *context.plan.of_kind(LOGS_DESTINATION))
    if not any(map(_is_ours, filters)) and not others:
        yield warn(
            _NAME,
            f"the template has no subscription filter of version {VERSION}",
            "Name log groups in log_groups or new_log_groups. If the app already names some, run "
            "the command in the version that the app imports.",
        )


def _is_ours(subscription: Planned) -> bool:
    return subscription.properties.get("FilterPattern") == FILTER_PATTERN


def _names(groups: Iterable[Planned]) -> set[str | None]:
    return {one.text("LogGroupName") for one in groups}


def _names_one_of(subscription: Planned, created: dict[str, Planned]) -> bool:
    """Return whether the template creates the filter's log group, with a generated name."""
    reference = subscription.properties.get("LogGroupName")
    return isinstance(reference, dict) and reference.get("Ref") in created


def _created(context: Context, name: str) -> Step[None]:
    if context.owns(_GROUP, name):
        yield ok(_NAME, f"{name} belongs to this stack")
    elif find_log_group(context.account, name) is None:
        yield ok(_NAME, f"{name} will be created")
    else:
        yield fail(
            _NAME,
            f"{name} already exists, but new_log_groups creates it",
            "Name it in log_groups instead of new_log_groups, or delete it with its lines.",
        )


def _tracked(context: Context, name: str, in_template: int) -> Step[None]:
    found = find_log_group(context.account, name)
    if found is None:
        yield fail(
            _NAME,
            f"{name} does not exist",
            "Its program creates it with the first line: start the program first, or name the log "
            "group in new_log_groups, so that the stack creates it.",
        )
        return
    kind = class_of(found)
    if kind != STANDARD:
        yield fail(
            _NAME,
            f"{name} is of the class {kind}",
            STANDARD_ONLY,
        )
        return
    own = context.owned(FILTER)
    others = [
        one["filterName"]
        for one in subscription_filters(context.account, name)
        if one["filterName"] not in own
    ]
    yield _slots(name, others, in_template)


def _slots(name: str, others: list[str], in_template: int) -> Finding:
    total = len(others) + in_template
    filters = f"{count(total, 'subscription filter')}, including this stack's"
    seen = f"{name}: {filters}{beside(others)}"
    if total > FILTERS_ALLOWED:
        return fail(
            _NAME,
            f"{seen}; {FILTERS_ALLOWED} are allowed",
            "Remove one of the others, or remove the log group from log_groups.",
        )
    if total > FILTERS_COMMON:
        return warn(
            _NAME,
            f"{seen}; some accounts are limited to {FILTERS_COMMON}",
            "If CloudFormation says LimitExceeded, remove one of the others.",
        )
    return ok(_NAME, seen)
