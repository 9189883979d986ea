"""EventBridge rules: how they invoke functions, and how a test fires one.

MiniStack 1.5.33 invokes the function of a rule once, without retries, and ignores the function's
resource policy. It fires scheduled rules itself.

AWS invokes the function asynchronously (Lambda Developer Guide, "Invoke a Lambda function on a
schedule"), and only if the function's policy allows events.amazonaws.com to invoke it for the rule
(EventBridge User Guide, "Using resource-based policies for Amazon EventBridge").
"""

from __future__ import annotations

import contextvars
import json
import logging
import time
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch, eventbridge, lambda_svc

from emulator import asynchronous_invocation, patching, permissions

_LOG = logging.getLogger("emulator.event_rules")
_PRINCIPAL = "events.amazonaws.com"

_rule: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("rule", default=None)


class NoSuchRule(LookupError):
    """No rule has this name, more than one has it, or the rule is disabled."""


def install() -> None:
    """Replace how MiniStack invokes functions."""
    patching.require(eventbridge, ["_pattern_event_view", "_rules", "_targets", "new_uuid"])
    patching.require(lambda_svc, ["_execution_record_for_config", "_get_func_record_for_ref"])
    patching.require(cloudwatch, ["record_metric"])
    patching.wrap(eventbridge, "_invoke_target", _invoke_target)
    patching.replace(eventbridge, "_dispatch_to_lambda", _dispatch_to_lambda)


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Handle POST {"fire": name}: fire a rule."""
    try:
        name = json.loads(content)["fire"]
    except (ValueError, KeyError, TypeError):
        return 400, {"error": "Expected the name of a rule as fire."}
    try:
        fire(str(name))
    except NoSuchRule as error:
        return 404, {"error": str(error)}
    return 200, {"fired": name}


def fire(name: str) -> None:
    """Invoke the targets of a rule.

    Args:
        name: The rule's name, or a unique part of it.

    Raises:
        NoSuchRule: No rule has this name, several have it, or the rule is disabled.
    """
    scope, rule = _find(name)
    if rule.get("State") != "ENABLED":
        raise NoSuchRule(f"The rule {rule['Name']} is disabled.")
    contextvars.copy_context().run(_fire, scope, rule)


def _find(name: str) -> tuple[tuple[str, str, str], dict[str, Any]]:
    rules = list(eventbridge._rules._data.items())
    exact = [found for found in rules if found[1]["Name"] == name]
    partial = [found for found in rules if name in found[1]["Name"]]
    candidates = exact or partial
    if len(candidates) != 1:
        names = sorted(rule["Name"] for _, rule in candidates or rules)
        raise NoSuchRule(f"{len(candidates)} rules are named {name}: there are {names}.")
    scope, rule = candidates[0]
    return scope, rule


def _fire(scope: tuple[str, str, str], rule: dict[str, Any]) -> None:
    account, region, _ = scope
    set_request_account_id(account)
    set_request_region(region)
    event = {
        "EventId": eventbridge.new_uuid(),
        "Source": "aws.events",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "EventBusName": rule.get("EventBusName", "default"),
        "Time": time.time(),
        "Resources": [rule["Arn"]],
        "Account": account,
        "Region": region,
    }
    view = eventbridge._pattern_event_view(event)
    for target in list(eventbridge._targets._data.get(scope, [])):
        eventbridge._invoke_target(target, event, rule, view)


def _invoke_target(
    original: Any, target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None
) -> Any:
    """Record the rule for the evaluation of the function's policy."""
    token = _rule.set(rule)
    try:
        return original(target, event, rule, view)
    finally:
        _rule.reset(token)


def _dispatch_to_lambda(arn: str, payload: str) -> None:
    record, config, name = lambda_svc._get_func_record_for_ref(arn)
    rule = _rule.get() or {}
    source = rule.get("Arn", "")
    if (
        not record
        or not config
        or (source and not _may_invoke(config.get("FunctionArn", arn), source))
    ):
        _LOG.error("rule %s may not invoke %s, or the function does not exist", source, name)
        dimensions = {"RuleName": str(rule.get("Name", ""))}
        cloudwatch.record_metric("AWS/Events", "FailedInvocations", 1, "Count", dimensions)
        return
    function = lambda_svc._execution_record_for_config(record, config)
    asynchronous_invocation.invoke(function, json.loads(payload))


def _may_invoke(function: str, rule: str) -> bool:
    return permissions.allows_invocation(function, principals=(_PRINCIPAL,), source_arn=rule)
