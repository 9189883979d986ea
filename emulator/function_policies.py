"""Whether a function's resource policy lets an AWS service invoke it.

AWS: Lambda Developer Guide, "Granting Lambda function access to AWS services": the statement names
the service as its principal and narrows it with the conditions aws:SourceAccount and aws:SourceArn.
"""

from __future__ import annotations

from ministack.core import iam_evaluator
from ministack.services import lambda_svc

from emulator import patching


def install() -> None:
    """Check that MiniStack has what `allows` asks."""
    patching.require(iam_evaluator, ["EvalContext", "evaluate_resource_policy"])
    patching.require(lambda_svc, ["_functions"])


def allows(function_arn: str, *, principals: tuple[str, ...], source_arn: str) -> bool:
    """Evaluate the resource policy of a function.

    Args:
        function_arn: The function, version or alias that would be invoked.
        principals: The names of the service. One that is allowed is enough, one denied too many.
        source_arn: On whose behalf the service would invoke, the value of aws:SourceArn. Its region
            and account are those of the call.
    """
    region, account = source_arn.split(":")[3:5]
    name = function_arn.partition(":function:")[2].split(":")[0]
    policy = (lambda_svc._functions.get(name) or {}).get("policy")
    context = iam_evaluator.EvalContext(
        principal_arn=principals[0],
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=region,
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": account},
    )
    decisions = {
        iam_evaluator.evaluate_resource_policy(policy, context, service=principal).decision
        for principal in principals
    }
    return "Allow" in decisions and "Deny" not in decisions
