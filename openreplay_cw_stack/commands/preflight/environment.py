"""Checks the target of the stack: account, region, ``cdk bootstrap``, and the existing stack."""

from __future__ import annotations

from openreplay_cw_stack.commands.deployed.stack import Stack, find_stack
from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Step, fail, ok, skip, warn
from openreplay_cw_stack.runtime.aws_calls import error_code


def check_environment(context: Context) -> Step[None]:
    """Check that the credentials belong to the target account of the stack."""
    plan, name = context.plan, "environment"
    if plan.account not in (None, context.account_id):
        yield fail(
            name,
            f"the template is for account {plan.account}, the credentials are of "
            f"{context.account_id}",
            "Use credentials of that account (AWS_PROFILE selects them), or run `cdk synth` again "
            "with the current credentials.",
        )
        return
    yield ok(name, f"account {context.account_id}, {context.region}")


def check_bootstrap(context: Context) -> Step[None]:
    """Check that ``cdk bootstrap`` was run in a version that the stack accepts."""
    name, needed = "bootstrap", context.plan.bootstrap
    if needed is None:
        yield skip(name, "the app does not use the resources of `cdk bootstrap`")
        return
    place = f"{context.account_id}/{context.region}"
    remedy = f"Run once for the account and region:\nnpx cdk bootstrap aws://{place}"
    try:
        answer = context.account.client("ssm").get_parameter(Name=needed.parameter)
    except Exception as error:
        if error_code(error) != "ParameterNotFound":
            raise
        yield fail(name, f"{place} is not bootstrapped: there is no {needed.parameter}", remedy)
        return
    version = answer["Parameter"]["Value"]
    if not version.isdecimal() or int(version) < needed.version:
        said = f"the bootstrap stack has version {version}, and {needed.version} is required"
        yield fail(name, said, remedy)
        return
    yield ok(name, f"version {version}; {needed.version} or later is required")


def check_stack(context: Context) -> Step[Stack | None]:
    """Check that CloudFormation can create or update the stack, and return the deployed stack."""
    name = "stack"
    stack = find_stack(context.account, context.plan.name)
    if stack is None:
        yield ok(name, f"{context.plan.name} does not exist yet")
        return None
    said = f"{stack.name} is {stack.status}"
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        yield warn(name, said, "Wait until it ends: CloudFormation runs one operation at a time.")
    elif stack.status == "UPDATE_ROLLBACK_FAILED":
        yield fail(
            name,
            said,
            "Its events have the reason. Continue the rollback:\n"
            f"aws cloudformation continue-update-rollback --stack-name {stack.name}",
        )
    elif stack.status == "DELETE_FAILED":
        yield fail(
            name,
            said,
            "Its events name the resources that could not be deleted. Delete it again:\n"
            f"aws cloudformation delete-stack --stack-name {stack.name}",
        )
    else:
        # The CDK deletes a stack whose creation failed, and creates it again.
        yield ok(name, f"{said}, and will be updated")
    return stack
