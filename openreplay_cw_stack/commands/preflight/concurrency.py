"""Checks whether Lambda has the concurrency that the functions reserve."""

from __future__ import annotations

from openreplay_cw_stack.commands.deployed.deployment import FUNCTION
from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Step, fail, ok, warn

LEFT_UNRESERVED = 100
"""The concurrency that must stay unreserved: Lambda API reference, "PutFunctionConcurrency"."""
INITIAL_QUOTA = 10
"""The quota of a new account: Lambda Developer Guide, "Lambda quotas"."""


def check_concurrency(context: Context) -> Step[None]:
    """Check that the reservations of the stack leave enough for other functions."""
    name = "concurrency"
    functions = context.plan.of_kind(FUNCTION)
    reserved = [one.properties.get("ReservedConcurrentExecutions") for one in functions]
    wanted = sum(int(number) for number in reserved if isinstance(number, (int, str)))
    limits = context.account.client("lambda").get_account_settings()["AccountLimit"]
    quota, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    left = unreserved + _held(context) - wanted
    seen = f"{wanted} reserved here, {left} of the account's {quota} left for other functions"
    if wanted and left < LEFT_UNRESERVED:
        yield fail(
            name,
            f"{seen}; Lambda keeps {LEFT_UNRESERVED} for them",
            "Request a higher quota (Service Quotas, AWS Lambda, Concurrent executions), or "
            "reserve nothing: reserved_concurrency=none and bridge_reserved_concurrency=none.",
        )
    elif quota <= INITIAL_QUOTA:
        yield warn(
            name,
            f"the quota of the whole account is {quota} concurrent executions",
            "Lambda retries throttled payloads for six hours, but throttled requests of OpenReplay "
            "fail. Request a higher quota: Service Quotas, AWS Lambda, Concurrent executions.",
        )
    else:
        yield ok(name, seen)


def _held(context: Context) -> int:
    """Return the concurrency that the stack's functions already reserve."""
    if context.stack is None:
        return 0
    client = context.account.client("lambda")
    held = 0
    for function in context.stack.of_kind(FUNCTION):
        answer = client.get_function_concurrency(FunctionName=function.physical_id)
        held += answer.get("ReservedConcurrentExecutions", 0)
    return held
