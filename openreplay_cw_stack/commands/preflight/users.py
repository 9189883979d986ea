"""Checks that the names of IAM users, which are unique in an account, are available."""

from __future__ import annotations

from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, ok, skip
from openreplay_cw_stack.runtime.aws_calls import error_code

_NAME = "IAM user"
_USER = "AWS::IAM::User"


def check_users(context: Context) -> Step[None]:
    """Check the name of each user in the template."""
    for user in context.plan.of_kind(_USER):
        if "UserName" not in user.properties:
            yield ok(_NAME, f"{user.logical_id}: its name is generated")
            continue
        name = user.text("UserName")
        if name is None:
            yield skip(_NAME, f"{user.logical_id}: its name is known only at deployment")
        else:
            yield _name(context, name)


def _name(context: Context, name: str) -> Finding:
    if context.owns(_USER, name):
        return ok(_NAME, f"{name} belongs to this stack")
    try:
        context.account.client("iam").get_user(UserName=name)
    except Exception as error:
        if error_code(error) != "NoSuchEntity":
            raise
        return ok(_NAME, f"{name} is free")
    return fail(
        _NAME,
        f"{name} exists, but does not belong to this stack",
        "User names are unique in an account: set another one with user_name, or omit the user "
        "with service_account=false.",
    )
