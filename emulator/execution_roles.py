"""What the execution role of a function may do, where Lambda itself acts with it.

MiniStack 1.5.33 does not look at roles when it reads queues and streams for functions or delivers
to their destinations.

AWS: Lambda Developer Guide, "Defining Lambda function permissions with an execution role": Lambda
reads event sources and sends to destinations as this role. Both are tried when they are configured.

The role's policies are evaluated whether or not `iam_evaluation` is on, as with resource policies
in `log_destinations`. A function in a test may name a role that does not exist; it may everything.
"""

from __future__ import annotations

from ministack.core import iam_evaluator, responses
from ministack.services import iam

from emulator import patching


def install() -> None:
    """Check that MiniStack has what is used here."""
    patching.require(
        iam_evaluator,
        ["EvalContext", "_gather_role_policies", "_permissions_boundary", "evaluate"],
    )
    patching.require(iam, ["_roles"])
    patching.require(responses, ["get_account_id", "get_region"])


def may(role: str, action: str, resource: str) -> bool:
    """Say whether a role may call an action on a resource.

    Args:
        role: The ARN of the role.
        action: The action, as "sqs:SendMessage".
        resource: The ARN of the resource.
    """
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
