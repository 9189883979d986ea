"""Checks the bridge: sends requests as OpenReplay does, with its key and with a wrong key."""

from __future__ import annotations

from dataclasses import dataclass

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.metric_sums import Metric, our_metric, sums
from openreplay_cw_stack.commands.deployed.bridge_url import bridge_url
from openreplay_cw_stack.commands.deployed.deployment import Function
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from openreplay_cw_stack.commands.report.findings import Step, fail, guarded, ok, skip, warn
from openreplay_cw_stack.commands.terminal import count, days_old
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.bridge_probe import (
    PRODUCT_HEADER,
    BridgeForm,
    has_timed_out,
    is_accepted,
    send_search,
)
from openreplay_cw_stack.openreplay.http_calls import Unreachable

REFUSAL_REASONS = ("address", "key", "path", "search", "request")
"""The values of the dimension ``Reason`` for refused requests."""
SKIP_REASONS = ("version", "corrupt")
"""The values of the dimension ``Reason`` for skipped items that are errors. Expiry is not one."""
MANY_REFUSALS = 20
"""More refused requests than this need attention. Every public address gets a few."""

NEW_KEY_SECONDS = 120
"""The bridge may not know a younger key yet if it recently received a request with a wrong key."""


@dataclass(frozen=True)
class Endpoint:
    """The bridge's address and its key.

    Attributes:
        form: the values for OpenReplay's form.
        key_seconds: the age of the key in seconds.
    """

    form: BridgeForm
    key_seconds: float


def check_bridge(context: Context) -> Step[Endpoint | None]:
    """Check the bridge, and return its address and key if both are known."""
    bridge = context.bridge
    if bridge is None:
        yield skip("bridge", "the stack has none: OpenReplay shows no line without it")
        return None
    # Before the requests below: the one with a wrong key counts as refused.
    yield from guarded("bridge requests", _searches(context, bridge))
    endpoint = yield from guarded("bridge key", _key(context, bridge), None)
    if endpoint is not None:
        yield from guarded("bridge", _ask(context, endpoint))
    return endpoint


def _key(context: Context, bridge: Function) -> Step[Endpoint | None]:
    name = "bridge key"
    secret = read_secret(context.account, bridge.environment["API_KEY_SECRET_ARN"])
    key_id, key = secret.texts.get("api_key_id"), secret.texts.get("api_key")
    if not key_id or not key:
        yield fail(
            name,
            "the secret lacks api_key_id or api_key, so the bridge refuses every request",
            "Write both into the secret, as one JSON object, and register the bridge again.",
        )
        return None
    age = context.account.days_since(secret.created)
    yield ok(name, f"in its secret, {days_old(age)}")
    url = bridge_url(context.account, context.deployment, bridge)
    if url is None:
        yield fail(
            "bridge",
            "its HTTP API is not in the stack",
            "It was deleted by hand: delete the stack and deploy it again.",
        )
        return None
    age_seconds = context.account.now - secret.created.timestamp()
    return Endpoint(BridgeForm(url, key_id, key), age_seconds)


def _ask(context: Context, endpoint: Endpoint) -> Step[None]:
    name, form = "bridge", endpoint.form
    server = checked_url(form.url, insecure=context.insecure)
    try:
        answer = send_search(server, form)
    except Unreachable as error:
        yield fail(
            name,
            str(error),
            f"Check that this machine, and OpenReplay's, can reach {server.hostname}.",
        )
        return
    if answer.status == 403 and PRODUCT_HEADER in answer.headers:
        # The bridge sets this header. If AWS refuses the request, it is missing.
        yield skip(
            name,
            "cannot be checked from here: this address is not in allowed_source_ranges",
            f"It answers at {form.url}; check it from the machine that runs OpenReplay.",
        )
        return
    if answer.status == 401 and endpoint.key_seconds < NEW_KEY_SECONDS:
        yield warn(name, f"does not know its new key yet: {form.url}", _NEW)
    elif answer.status == 401:
        yield fail(name, f"refuses the key that its secret holds: {form.url}", _REFUSES)
    elif has_timed_out(answer):
        yield fail(name, f"cannot read its key: {form.url}", _UNREADABLE)
    elif is_accepted(answer):
        yield ok(name, f"answers, and accepts its key: {form.url}")
        yield from _wrong_key(context, form)
    else:
        yield fail(name, f"{form.url} answered with {answer.status}", _OTHER)


_NEW = "The bridge reads the secret at most once a minute: check again in a minute."
_UNREADABLE = (
    "The function's log group has the error code. The function's role needs permission to read the "
    "secret and, if the secret has a customer managed key, to use that key."
)
_REFUSES = (
    "See the function's log group; if it has no error, check that the URL is that of this bridge."
)
_OTHER = (
    "403 or 404: the URL is not the bridge's. 429 or 503: the HTTP API throttles requests, or the "
    "reserved concurrency is used up or 0. 500: the HTTP API has no permission to invoke the "
    "function. Otherwise see the function's log group."
)


def _wrong_key(context: Context, form: BridgeForm) -> Step[None]:
    name = "bridge, wrong key"
    server = checked_url(form.url, insecure=context.insecure)
    answer = send_search(server, BridgeForm(form.url, form.api_key_id, "not-the-key"))
    if answer.status == 401:
        yield ok(name, "refused with 401")
    elif has_timed_out(answer):
        yield warn(name, "not checked: the bridge cannot read its key at the moment", _UNREADABLE)
    else:
        yield fail(
            name,
            f"answered with {answer.status} instead of 401",
            "The URL is not the bridge's, or a proxy in front of it answers: remove the proxy.",
        )


def _searches(context: Context, bridge: Function) -> Step[None]:
    name, deployment = "bridge requests", context.deployment.name
    single = (
        names.SEARCHES,
        names.ANSWERED_SEARCHES,
        names.FAILED_SEARCHES,
        names.TIMED_OUT_SEARCHES,
    )
    metrics = [our_metric(deployment, one) for one in single]
    own = (("FunctionName", bridge.name),)
    metrics += [Metric("AWS/Lambda", one, own) for one in ("Errors", "Throttles")]
    metrics += [our_metric(deployment, names.SKIPPED_ITEMS, Reason=one) for one in SKIP_REASONS]
    metrics += [
        our_metric(deployment, names.REFUSED_SEARCHES, Reason=one) for one in REFUSAL_REASONS
    ]
    asked, answered, failed, timed_out, errors, throttles, later, corrupt, *refusals = sums(
        context.account, metrics
    )
    refused = {one: number for one, number in zip(REFUSAL_REASONS, refusals, strict=True) if number}
    reasons = ", ".join(f"{number} {one}" for one, number in refused.items())
    # An earlier check sent one request with the right key and one with a wrong key.
    seen = (
        f"{asked} in {context.account.span}, other checks included; {answered} answered with "
        f"lines, {sum(refusals)} refused{f' ({reasons})' if reasons else ''}"
    )
    remedies = []
    if failed or errors:
        seen += f", {failed + errors} failed"
        remedies.append("Failed: the function's log group names the error.")
    if timed_out:
        seen += f", {timed_out} timed out"
        remedies.append(
            "Timed out: DynamoDB was slow or throttled; the function's log group has the error."
        )
    if throttles:
        seen += f", {throttles} throttled"
        remedies.append("Throttled: raise bridge_reserved_concurrency.")
    if later or corrupt:
        seen += f", {count(later + corrupt, 'item')} skipped ({later} version, {corrupt} corrupt)"
        remedies.append(
            "Skipped, version: a newer release wrote the item; deploy that release here. Skipped, "
            "corrupt: another program wrote the item."
        )
    if sum(refusals) > MANY_REFUSALS:
        remedies.append(
            "Refused, key: OpenReplay has another key, or another client tries one. Refused, "
            "address: OpenReplay's address is not in allowed_source_ranges."
        )
    yield warn(name, seen, " ".join(remedies)) if remedies else ok(name, seen)
