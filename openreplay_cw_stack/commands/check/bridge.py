"""The bridge: asked as OpenReplay would, with the right key and with a wrong one."""

from __future__ import annotations

from collections.abc import Iterator

from openreplay_cw_stack.commands.check.account import error_code, guarded
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.deployment import Deployment, Function
from openreplay_cw_stack.commands.check.findings import Finding, count, fail, ok, skip, warn
from openreplay_cw_stack.commands.check.metric_sums import our_metric, sums
from openreplay_cw_stack.commands.check.service_account import read_json_secret
from openreplay_cw_stack.commands.check.stack import read_template
from openreplay_cw_stack.runtime.registration.bridge_question import BridgeForm, accepts, question
from openreplay_cw_stack.runtime.registration.http_calls import Unreachable, checked_url
from openreplay_cw_stack.tagging import metrics as names

REFUSAL_REASONS = ("address", "key", "path", "question", "request")
"""The values of the dimension ``Reason`` of refused questions."""
MANY_REFUSALS = 20
"""More than so many are a reason to look; a few strangers find every public address."""

_SUFFIXES = {
    "aws-cn": "amazonaws.com.cn",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
}


def check_bridge(context: Context, forms: list[BridgeForm]) -> Iterator[Finding]:
    """Every step of the bridge; fills ``forms`` with what OpenReplay's form is to have."""
    bridge = context.bridge
    if bridge is None:
        yield skip("bridge", "there is none: OpenReplay v1.21 and later show nothing without it")
        return
    # Before it is asked: the question with a wrong key counts as refused.
    yield from guarded("bridge questions", _questions(context))
    yield from guarded("bridge key", _key(context, bridge, forms))
    for form in forms:
        yield from guarded("bridge", _ask(context, form))


def _key(context: Context, bridge: Function, forms: list[BridgeForm]) -> Iterator[Finding]:
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
    forms.append(BridgeForm(url, values["api_key_id"], values["api_key"]))


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


def _ask(context: Context, form: BridgeForm) -> Iterator[Finding]:
    name = "bridge"
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
    ranges = context.bridge.environment.get("ALLOWED_SOURCE_RANGES") if context.bridge else ""
    if answer.status == 403 and ranges:
        yield skip(
            name,
            f"cannot be told from here: this address is not in {ranges}",
            f"It answers at {form.url}; ask it from where OpenReplay runs.",
        )
        return
    if answer.status == 401:
        said, remedy = "it refuses the key that its secret holds", _REFUSES
        yield fail(name, said, remedy)
    elif accepts(answer):
        yield ok(name, f"answers, and accepts its key: {form.url}")
        yield from _wrong_key(context, form)
    else:
        yield fail(name, f"{form.url} answered with {answer.status}", _OTHER)


_REFUSES = "A new key is read within a minute; then look into the function's log group."
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


def _questions(context: Context) -> Iterator[Finding]:
    name, deployment = "bridge questions", context.deployment.name
    single = (names.QUESTIONS, names.ANSWERS, names.FAILED_QUESTIONS, names.TIMED_OUT_ANSWERS)
    metrics = [our_metric(deployment, one) for one in single]
    metrics += [
        our_metric(deployment, names.REFUSED_QUESTIONS, Reason=one) for one in REFUSAL_REASONS
    ]
    asked, answered, failed, timed_out, *refusals = sums(context.account, metrics)
    refused = {one: number for one, number in zip(REFUSAL_REASONS, refusals, strict=True) if number}
    reasons = ", ".join(f"{number} {one}" for one, number in refused.items())
    seen = (
        f"{asked} in {context.account.span}, {answered} answered with lines, "
        f"{sum(refusals)} refused{f' ({reasons})' if reasons else ''}"
    )
    remedies = []
    if failed:
        seen += f", {failed} failed"
        remedies.append("Failed: the function's log group names the fault.")
    if timed_out:
        seen += f", {timed_out} timed out"
        remedies.append(
            "Timed out: CloudWatch Logs was too slow or throttled; a shorter "
            "session_window reads less."
        )
    if sum(refusals) > MANY_REFUSALS:
        remedies.append(
            "Refused: key: OpenReplay has another one, or a stranger tries; address: "
            "OpenReplay's is not in allowed_source_ranges."
        )
    yield warn(name, seen, " ".join(remedies)) if remedies else ok(name, seen)
