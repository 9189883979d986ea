"""The bridge: asked as OpenReplay would, with the right key and with a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openreplay_cw_stack.commands.check.account import error_code, guarded
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.deployment import Deployment, Function
from openreplay_cw_stack.commands.check.findings import Finding, count, fail, ok, skip, warn
from openreplay_cw_stack.commands.check.metric_sums import Metric, our_metric, sums
from openreplay_cw_stack.commands.check.service_account import read_json_secret
from openreplay_cw_stack.commands.check.stack import read_template
from openreplay_cw_stack.runtime.registration.bridge_question import (
    PRODUCT_HEADER,
    BridgeForm,
    accepts,
    question,
)
from openreplay_cw_stack.runtime.registration.http_calls import Unreachable
from openreplay_cw_stack.tagging import metrics as names
from openreplay_cw_stack.tagging.openreplay_project import checked_url

REFUSAL_REASONS = ("address", "key", "path", "question", "request")
"""The values of the dimension ``Reason`` of refused questions."""
MANY_REFUSALS = 20
"""More than so many are a reason to look; a few strangers find every public address."""

NEW_KEY_SECONDS = 120
"""A key that is younger may not be known to the bridge yet, if it was asked with a wrong one."""

_SUFFIXES = {
    "aws-cn": "amazonaws.com.cn",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
}


@dataclass(frozen=True)
class Endpoint:
    """Where the bridge is, and its key.

    Attributes:
        form: what OpenReplay's form is to have.
        key_seconds: the age of the key.
    """

    form: BridgeForm
    key_seconds: float


def check_bridge(context: Context, endpoints: list[Endpoint]) -> Iterator[Finding]:
    """Every step of the bridge; fills ``endpoints``, with one or none."""
    bridge = context.bridge
    if bridge is None:
        yield skip("bridge", "there is none: OpenReplay v1.21 and later show nothing without it")
        return
    # Before it is asked: the question with a wrong key counts as refused.
    yield from guarded("bridge questions", _questions(context, bridge))
    yield from guarded("bridge key", _key(context, bridge, endpoints))
    for endpoint in endpoints:
        yield from guarded("bridge", _ask(context, endpoint))


def _key(context: Context, bridge: Function, endpoints: list[Endpoint]) -> Iterator[Finding]:
    name = "bridge key"
    arn = bridge.environment["API_KEY_SECRET_ARN"]
    answer = context.client("secretsmanager").get_secret_value(SecretId=arn)
    values = read_json_secret(context, arn)
    if not values.get("api_key_id") or not values.get("api_key"):
        yield fail(
            name,
            "the secret lacks api_key_id or api_key, so the bridge answers nobody",
            "Write both into the secret, as one JSON object, and register the bridge again.",
        )
        return
    age = context.account.days_since(answer["CreatedDate"])
    yield ok(name, f"in its secret, {count(age, 'day')} old")
    url = bridge_url(context, bridge)
    if url is None:
        yield fail(
            "bridge",
            "it has neither a function URL nor an HTTP API in the stack",
            "Somebody removed it by hand: deploy with the other bridge_endpoint, and back.",
        )
        return
    form = BridgeForm(url, values["api_key_id"], values["api_key"])
    endpoints.append(Endpoint(form, context.account.now - answer["CreatedDate"].timestamp()))


def bridge_url(context: Context, bridge: Function) -> str | None:
    """Where the bridge is: what the stack says, its function URL, or its HTTP API."""
    deployment = context.deployment
    if deployment.alone and deployment.stack.outputs.get("BridgeUrl"):
        return deployment.stack.outputs["BridgeUrl"]
    try:
        answer = context.client("lambda").get_function_url_config(FunctionName=bridge.name)
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return _own_domain(context, bridge) or _http_api_url(deployment, bridge)
    return str(answer["FunctionUrl"])


def _own_domain(context: Context, bridge: Function) -> str | None:
    """The domain that an HTTP API answers at, where it has one of its own."""
    stack = context.deployment.stack
    api = stack.find("AWS::ApiGatewayV2::Api", f"{bridge.path}HttpApi")
    mappings = stack.of_kind("AWS::ApiGatewayV2::ApiMapping")
    if api is None or not mappings:
        return None
    template = read_template(context.account, stack)
    for mapping in mappings:
        properties = template.properties(mapping.logical_id)
        domain = template.value(properties.get("DomainName"))
        if domain and template.value(properties.get("ApiId")) == api.physical_id:
            return f"https://{domain}/"
    return None


def _http_api_url(deployment: Deployment, bridge: Function) -> str | None:
    stack = deployment.stack
    api = stack.find("AWS::ApiGatewayV2::Api", f"{bridge.path}HttpApi")
    if api is None:
        return None
    suffix = _SUFFIXES.get(bridge.arn.split(":")[1], "amazonaws.com")
    return f"https://{api.physical_id}.execute-api.{stack.region}.{suffix}/"


def _ask(context: Context, endpoint: Endpoint) -> Iterator[Finding]:
    name, form = "bridge", endpoint.form
    server = checked_url(form.url, insecure=context.insecure)
    try:
        answer = question(server, form)
    except Unreachable as error:
        yield fail(
            name,
            str(error),
            f"Look whether this machine reaches {server.hostname}, and whether OpenReplay's does. "
            "A function URL needs both of the stack's permissions for everybody.",
        )
        return
    if answer.status == 403 and PRODUCT_HEADER in answer.headers:
        # The bridge itself says so; where AWS refuses, nobody has asked the bridge.
        yield skip(
            name,
            "cannot be told from here: this address is not in allowed_source_ranges",
            f"It answers at {form.url}; ask it from where OpenReplay runs.",
        )
        return
    if answer.status == 401 and endpoint.key_seconds < NEW_KEY_SECONDS:
        yield warn(name, f"does not know its new key yet: {form.url}", _NEW)
    elif answer.status == 401:
        yield fail(name, f"refuses the key that its secret holds: {form.url}", _REFUSES)
    elif accepts(answer):
        yield ok(name, f"answers, and accepts its key: {form.url}")
        yield from _wrong_key(context, form)
    else:
        yield fail(name, f"{form.url} answered with {answer.status}", _OTHER)


_NEW = "It reads the secret at most once a minute: look again then."
_REFUSES = (
    "Look into the function's log group; where it names no error, is the URL that of this bridge?"
)
_OTHER = (
    "403: the function URL lacks the stack's permission for everybody, or an organisation's policy "
    "forbids public functions (bridge_endpoint=http_api then). 429: reserved concurrency is used "
    "up, or is 0. Else look into the function's log group."
)


def _wrong_key(context: Context, form: BridgeForm) -> Iterator[Finding]:
    name = "bridge, wrong key"
    server = checked_url(form.url, insecure=context.insecure)
    answer = question(server, BridgeForm(form.url, form.api_key_id, "not-the-key"))
    if answer.status == 401:
        yield ok(name, "refused with 401")
    else:
        yield fail(
            name,
            f"answered with {answer.status} instead of 401",
            "The URL is not the bridge's, or something in front of it answers: take it away.",
        )


def _questions(context: Context, bridge: Function) -> Iterator[Finding]:
    name, deployment = "bridge questions", context.deployment.name
    single = (names.QUESTIONS, names.ANSWERS, names.FAILED_QUESTIONS, names.TIMED_OUT_ANSWERS)
    metrics = [our_metric(deployment, one) for one in single]
    own = (("FunctionName", bridge.name),)
    metrics += [Metric("AWS/Lambda", one, own) for one in ("Errors", "Throttles")]
    metrics += [
        our_metric(deployment, names.REFUSED_QUESTIONS, Reason=one) for one in REFUSAL_REASONS
    ]
    asked, answered, failed, timed_out, errors, throttles, *refusals = sums(
        context.account, metrics
    )
    refused = {one: number for one, number in zip(REFUSAL_REASONS, refusals, strict=True) if number}
    reasons = ", ".join(f"{number} {one}" for one, number in refused.items())
    # An earlier check asked once with the right key and once with a wrong one.
    seen = (
        f"{asked} in {context.account.span}, other checks included; {answered} answered with "
        f"lines, {sum(refusals)} refused{f' ({reasons})' if reasons else ''}"
    )
    remedies = []
    if failed or errors:
        seen += f", {failed + errors} failed"
        remedies.append("Failed: the function's log group names the fault.")
    if timed_out:
        seen += f", {timed_out} timed out"
        remedies.append(
            "Timed out: CloudWatch Logs was too slow or throttled; a shorter "
            "session_window reads less."
        )
    if throttles:
        seen += f", {throttles} throttled"
        remedies.append("Throttled: raise bridge_reserved_concurrency.")
    if sum(refusals) > MANY_REFUSALS:
        remedies.append(
            "Refused: key: OpenReplay has another one, or a stranger tries; address: "
            "OpenReplay's is not in allowed_source_ranges."
        )
    yield warn(name, seen, " ".join(remedies)) if remedies else ok(name, seen)
