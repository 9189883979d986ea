"""Checks the deployment's parts: whether each exists, and whether its role has its policy."""

from __future__ import annotations

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import FUNCTION, Deployment, Function
from openreplay_cw_stack.commands.report.findings import Step, fail, guarded, ok, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.runtime.aws_calls import error_code

_ROOMS_OF_ONE = ("validator", "bridge", "rotation")


def check_deployment(account: Account, deployment: Deployment) -> Step[None]:
    """Check that the parts exist, that CloudFormation is idle, and that roles have policies."""
    yield from _parts(deployment)
    status = deployment.stack.status
    if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
        yield warn(
            "stack",
            f"{deployment.stack.name} is {status}",
            "See its events in CloudFormation; the steps below may show the previous state.",
        )
    for room in _ROOMS_OF_ONE:
        function = deployment.functions.get(room)
        if function is not None:
            yield from guarded(f"{room} role", _role(account, deployment, function))


def _parts(deployment: Deployment) -> Step[None]:
    parts = sorted(deployment.functions, reverse=True)
    if deployment.resource("AWS::IAM::User", "ServiceAccountUser"):
        parts.append("service account")
    yield ok("deployment", ", ".join(parts))
    for room, construct in (("validator", "Validator"), ("bridge", "Bridge")):
        gone = deployment.resource(FUNCTION, f"{construct}Function")
        if gone is not None and room not in deployment.functions:
            yield fail(
                room,
                f"the function {gone.physical_id} is in the stack, but does not exist",
                "It was deleted by hand. Delete the stack and deploy it again.",
            )


def _role(account: Account, deployment: Deployment, function: Function) -> Step[None]:
    policy = deployment.stack.find("AWS::IAM::ManagedPolicy", f"{function.path}Policy")
    if policy is None:
        return
    name = f"{function.room} role"
    iam = account.client("iam")
    try:
        pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=function.role)
        attached = [one["PolicyArn"] for page in pages for one in page["AttachedPolicies"]]
    except Exception as error:
        if error_code(error) != "NoSuchEntity":
            raise
        attached = []
    if policy.physical_id in attached:
        yield ok(name, f"has its policy ({count(len(attached), 'policy', 'policies')} attached)")
        return
    yield fail(
        name,
        f"{function.role} does not have the policy that the stack attached",
        "The policy was detached, so AWS refuses every call of the function. Attach it again:\n"
        f"aws iam attach-role-policy --role-name {function.role} "
        f"--policy-arn {policy.physical_id}",
    )
