"""Permissions of AWS services, from resource policies and execution roles.

MiniStack 1.5.33 allows a service to invoke any function and deliver to any queue or stream.

AWS evaluates the function's policy, whose statement names the service and restricts it with
aws:SourceAccount and aws:SourceArn (Lambda Developer Guide, "Granting Lambda function access to AWS
services"). Lambda reads event sources and sends to destinations with the execution role ("Defining
Lambda function permissions with an execution role").

Both are evaluated whether or not `iam_evaluation` is on. A role that does not exist is allowed
everything, because functions in tests name such roles.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import iam, lambda_svc

from emulator import patching


def install() -> None:
    """Check that MiniStack has the attributes that this module uses."""
    used = ["EvalContext", "evaluate", "evaluate_resource_policy"]
    patching.require(iam_evaluator, [*used, "_gather_role_policies", "_permissions_boundary"])
    patching.require(iam, ["_roles"])
    patching.require(lambda_svc, ["_functions"])
    patching.require(responses, ["get_account_id", "get_region"])


def allows_invocation(function_arn: str, *, principals: tuple[str, ...], source_arn: str) -> bool:
    """Return whether the policy of a function, version or alias allows a service to invoke it.

    The other arguments are those of `permits`.
    """
    name = function_arn.partition(":function:")[2].split(":")[0]
    policy = (lambda_svc._functions.get(name) or {}).get("policy")
    action = "lambda:InvokeFunction"
    return permits(policy, action, function_arn, principals=principals, source_arn=source_arn)


def permits(
    policy: Any, action: str, resource: str, *, principals: tuple[str, ...], source_arn: str
) -> bool:
    """Return whether a policy allows a service to call an action.

    Args:
        policy: The policy of the resource.
        action: The action, such as "lambda:InvokeFunction".
        resource: The ARN of the resource.
        principals: The names of the service. One of them must be allowed, and none denied.
        source_arn: The value of aws:SourceArn: the resource on whose behalf the service acts. The
            call is in its region and account.
    """
    region, account = source_arn.split(":")[3:5]
    context = iam_evaluator.EvalContext(
        principal_arn=principals[0],
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=region,
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": account},
    )
    decisions = {
        iam_evaluator.evaluate_resource_policy(policy, context, service=principal).decision
        for principal in principals
    }
    return "Allow" in decisions and "Deny" not in decisions


def role_may(role: str, action: str, resource: str) -> bool:
    """Return whether the policies of a role, given by its ARN, allow an action on a resource."""
    parts, name = role.split(":"), role.rsplit("/", 1)[-1]
    account = parts[4] if len(parts) > 4 else responses.get_account_id()
    if iam._roles.get_scoped(account, None, name) is None:
        return True
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=responses.get_region(),
        secure_transport=True,
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    decision: str = iam_evaluator.evaluate(context, policies, *limits).decision
    return decision == "Allow"
