"""Checks the permissions in the policies of the service account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.report.findings import Step, fail, guarded_call, ok, warn

POLICIES = "service account policies"
"""The name of this step."""

_READ = "logs:FilterLogEvents"


@dataclass(frozen=True)
class Allowed:
    """The permissions in the policies of the service account.

    Attributes:
        log_groups: the log groups that the key can read.
        wider: further actions, or the name of an AWS managed policy.
        conditional: whether a condition, such as the caller's address, restricts the key.
    """

    log_groups: frozenset[str] = frozenset()
    wider: frozenset[str] = frozenset()
    conditional: bool = False

    def __or__(self, other: Allowed) -> Allowed:
        """Return the permissions of both."""
        return Allowed(
            self.log_groups | other.log_groups,
            self.wider | other.wider,
            self.conditional or other.conditional,
        )


def check_policies(context: Context, user: str) -> Step[Allowed]:
    """Check the policies of a user's groups, and return the permissions in readable policies."""
    iam = context.client("iam")
    arns = [
        policy["PolicyArn"]
        for group in _listed(iam, "list_groups_for_user", "Groups", UserName=user)
        for policy in _listed(
            iam,
            "list_attached_group_policies",
            "AttachedPolicies",
            GroupName=group["GroupName"],
        )
    ]
    if not arns:
        yield fail(
            POLICIES,
            f"no policy is attached to a group of {user}",
            "The policy was detached, or the user was removed from the group: attach the stack's "
            "policy to the stack's group again, and add the user to the group.",
        )
        return Allowed()
    allowed = Allowed()
    complete = True
    for arn in arns:
        found = yield from guarded_call(POLICIES, partial(_policy, iam, arn), None)
        allowed |= found or Allowed()
        complete &= found is not None
    groups = ", ".join(sorted(allowed.log_groups)) or "log groups"
    if allowed.wider:
        yield warn(
            POLICIES,
            f"the key can do more than read log groups: {', '.join(sorted(allowed.wider))}",
            "service_account_access sets this; scoped is enough for every version of OpenReplay.",
        )
    elif complete:
        only = " from some addresses only" if allowed.conditional else ""
        yield ok(POLICIES, f"logs:FilterLogEvents on {groups}{only}, and nothing else")
    return allowed


def _policy(iam: Any, arn: str) -> Allowed | None:
    """Return the permissions of one policy."""
    if arn.endswith(":aws:policy/CloudWatchReadOnlyAccess"):
        return Allowed(wider=frozenset({"CloudWatchReadOnlyAccess"}))
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)
    allowed = Allowed()
    for statement in _list(answer["PolicyVersion"]["Document"]["Statement"]):
        allowed |= _statement(statement)
    return allowed


def _statement(statement: Any) -> Allowed:
    conditional = bool(statement.get("Condition"))
    if statement.get("Effect") != "Allow":
        return Allowed(conditional=conditional)
    actions = frozenset(_list(statement.get("Action", [])))
    resources = _list(statement.get("Resource", [])) if _READ in actions else []
    groups = frozenset(_group_of(one) for one in resources)
    return Allowed(groups, actions - {_READ}, conditional)


def _group_of(arn: str) -> str:
    """Return the log group in an ARN such as ``arn:aws:logs:eu-west-1:1:log-group:/app:*``."""
    return arn.partition(":log-group:")[2].removesuffix(":*") or arn


def _list(value: Any) -> list[Any]:
    """Return a list, for a value that IAM writes as a list or as a single value."""
    return value if isinstance(value, list) else [value]


def _listed(iam: Any, operation: str, key: str, **arguments: str) -> list[dict[str, Any]]:
    pages = iam.get_paginator(operation).paginate(**arguments)
    return [one for page in pages for one in page[key]]
