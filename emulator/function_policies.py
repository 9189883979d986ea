"""Whether a resource's policy lets an AWS service act on it.

AWS: Lambda Developer Guide, "Granting Lambda function access to AWS services": the statement names
the service as its principal and narrows it with the conditions aws:SourceAccount and aws:SourceArn.
A role's trust policy does the same for sts:AssumeRole.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import lambda_svc

from emulator import patching


def install() -> None:
    """Check that MiniStack has what is used here."""
    patching.require(iam_evaluator, ["EvalContext", "evaluate_resource_policy"])
    patching.require(lambda_svc, ["_functions"])


def allows(function_arn: str, *, principals: tuple[str, ...], source_arn: str) -> bool:
    """Say whether the policy of a function lets a service invoke it.

    Args:
        function_arn: The function, version or alias that would be invoked.
        principals: As of `permits`.
        source_arn: As of `permits`.
    """
    name = function_arn.partition(":function:")[2].split(":")[0]
    policy = (lambda_svc._functions.get(name) or {}).get("policy")
    action = "lambda:InvokeFunction"
    return permits(policy, action, function_arn, principals=principals, source_arn=source_arn)


def permits(
    policy: Any, action: str, resource: str, *, principals: tuple[str, ...], source_arn: str
) -> bool:
    """Say whether a policy lets a service call an action.

    Args:
        policy: The policy of the resource.
        action: The action, as "lambda:InvokeFunction".
        resource: The ARN of the resource.
        principals: The names of the service. One that is allowed is enough, one denied too many.
        source_arn: On whose behalf the service would act, the value of aws:SourceArn. Its region
            and account are those of the call.
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
