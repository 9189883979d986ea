"""The service account: its secret, its key, and what the key may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.findings import Finding, fail, guarded, ok, skip, warn
from openreplay_cw_stack.commands.deployed.account import DENIED, error_code
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.runtime.aws_calls import texts_of

OLD_KEY_DAYS = 90
"""From this age on a key is to be replaced."""
UNUSED_DAYS = 30
"""A key that is unused for so long is to be removed."""

_VALUES = ("access_key_id", "secret_access_key", "region", "log_group_name")
_NEW_KEY = (
    "Deploy with a higher key_serial: it makes a new key and writes the secret anew. Where the key "
    "is rotated, rotate it: aws secretsmanager rotate-secret."
)
_UNUSED = (
    "OpenReplay v1.21 and later never use this key: service_account=false removes the account."
)


_READ = "logs:FilterLogEvents"


@dataclass
class Allowed:
    """What the policies of the service account say.

    Attributes:
        log_groups: the log groups that the key may read.
        wider: further actions, or the name of AWS's own policy.
        conditional: whether a condition, such as the caller's address, restricts the key.
    """

    log_groups: set[str] = field(default_factory=set)
    wider: set[str] = field(default_factory=set)
    conditional: bool = False


def check_service_account(context: Context) -> Iterator[Finding]:
    """Every step of the service account, where there is one."""
    user = context.deployment.resource("AWS::IAM::User", "ServiceAccountUser")
    if user is None:
        yield skip("service account", "the stack has none (OpenReplay v1.21 and later need none)")
        return
    name = user.physical_id
    key: dict[str, str] = {}
    yield from guarded("service account secret", _secret(context, key))
    # Asked before the key is used below.
    yield from guarded("service account keys", _keys(context, name, key.get("access_key_id")))
    allowed = Allowed()
    yield from guarded("service account policies", _policies(context, name, allowed))
    if key and _is_being_taken_up(context, name):
        yield skip(
            "service account key",
            "not tried: the key before it is still active, and rotation waits for the first use of "
            "the new one",
        )
    elif key:
        yield from guarded("service account key", _key(context, key, allowed))
    else:
        yield skip("service account key", "not tried: there is no key to try")


def _secret(context: Context, key: dict[str, str]) -> Iterator[Finding]:
    """Fills ``key`` with the values where they are complete."""
    name = "service account secret"
    secret = service_account_secret(context)
    if secret is None:
        yield fail(name, "the stack has no secret for the key", _NEW_KEY)
        return
    values = read_json_secret(context, secret.physical_id)
    missing = [one for one in _VALUES if not values.get(one)]
    if missing:
        yield fail(name, f"the secret lacks {', '.join(missing)}", _NEW_KEY)
        return
    key.update(values)
    yield ok(name, f"has the {len(_VALUES)} values of OpenReplay's form")


def service_account_secret(context: Context) -> Resource | None:
    """The secret of the key; with rotation it is another one than without."""
    kind = "AWS::SecretsManager::Secret"
    rotated = context.deployment.resource(kind, "ServiceAccountRotatedSecret")
    return rotated or context.deployment.resource(kind, "ServiceAccountSecret")


def read_json_secret(context: Context, secret_id: str, stage: str = "AWSCURRENT") -> dict[str, str]:
    """The texts in a secret that is a JSON object; empty where it is not."""
    client = context.client("secretsmanager")
    answer = client.get_secret_value(SecretId=secret_id, VersionStage=stage)
    return texts_of(answer.get("SecretString"))


def _keys(context: Context, user: str, current: str | None) -> Iterator[Finding]:
    name, account = "service account keys", context.account
    iam = context.client("iam")
    keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    inactive = [one for one in keys if one["Status"] != "Active"]
    if current is not None and current not in [one["AccessKeyId"] for one in keys]:
        yield fail(name, f"{user} does not have the key that the secret holds", _NEW_KEY)
        return
    if any(one["AccessKeyId"] == current for one in inactive):
        yield fail(
            name,
            "the key in the secret is inactive",
            "Activate it:\naws iam update-access-key "
            f"--user-name {user} --access-key-id {current} --status Active",
        )
        return
    ages = {one["AccessKeyId"]: account.days_since(one["CreateDate"]) for one in keys}
    if context.rotation is not None and current is not None:
        yield _rotated_keys(name, keys, current, ages[current])
        yield from guarded("service account use", _use(context, current, ages[current]))
        return
    age = max(ages.values(), default=0)
    seen = f"{count(len(keys), 'key')}, the oldest of {count(age, 'day')}"
    if age >= OLD_KEY_DAYS:
        yield warn(name, seen, f"A key is to be replaced after {OLD_KEY_DAYS} days. {_NEW_KEY}")
    elif len(keys) > 1:
        yield warn(
            name,
            seen,
            "A user has two keys at most, so no new one can be made: delete the one that the "
            "secret does not hold.",
        )
    else:
        yield ok(name, seen)
    if current is not None:
        yield from guarded("service account use", _use(context, current, ages[current]))


def _rotated_keys(name: str, keys: list[dict[str, Any]], current: str, age: int) -> Finding:
    seen = f"the current key is {count(age, 'day')} old"
    others = [one["Status"] for one in keys if one["AccessKeyId"] != current]
    if others == ["Active"] and age >= 1:
        return warn(
            name,
            f"{seen}, and the one before it is still active",
            "OpenReplay has not used the new key yet: tell it the one in the secret.",
        )
    return ok(name, seen + (f"; the one before it is {others[0].lower()}" if others else ""))


def _is_being_taken_up(context: Context, user: str) -> bool:
    """Whether rotation waits for a sign that the reader has the new key."""
    if context.rotation is None:
        return False
    keys = context.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return len([one for one in keys if one["Status"] == "Active"]) > 1


def _use(context: Context, key_id: str, age: int) -> Iterator[Finding]:
    name = "service account use"
    answer = context.client("iam").get_access_key_last_used(AccessKeyId=key_id)
    used = answer["AccessKeyLastUsed"].get("LastUsedDate")
    if used is None:
        seen, unused = "the key was never used", age >= UNUSED_DAYS
    else:
        days = context.account.days_since(used)
        seen, unused = f"the key was last used {count(days, 'day')} ago", days >= UNUSED_DAYS
    if unused:
        yield warn(name, seen, _UNUSED)
    else:
        yield ok(name, f"{seen} (this check uses it as well)")


def _policies(context: Context, user: str, allowed: Allowed) -> Iterator[Finding]:
    """Fills ``allowed`` with what the policies of the user's groups say."""
    name = "service account policies"
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
            name,
            f"no policy is attached to a group of {user}",
            "It was detached, or the user was taken out of the group: attach the stack's policy "
            "to the group of the stack again, with the user in it.",
        )
        return
    for arn in arns:
        _add_policy(iam, arn, allowed)
    groups = ", ".join(sorted(allowed.log_groups)) or "log groups"
    if allowed.wider:
        yield warn(
            name,
            f"the key may do more than read log groups: {', '.join(sorted(allowed.wider))}",
            "It was asked for with service_account_access; scoped is enough for every OpenReplay.",
        )
    else:
        only = " from some addresses alone" if allowed.conditional else ""
        yield ok(name, f"logs:FilterLogEvents on {groups}{only}, and nothing else")


def _add_policy(iam: Any, arn: str, allowed: Allowed) -> None:
    if arn.endswith(":aws:policy/CloudWatchReadOnlyAccess"):
        allowed.wider.add("CloudWatchReadOnlyAccess")
        return
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)
    for statement in _list(answer["PolicyVersion"]["Document"]["Statement"]):
        allowed.conditional |= bool(statement.get("Condition"))
        if statement.get("Effect") != "Allow":
            continue
        actions = set(_list(statement.get("Action", [])))
        allowed.wider |= actions - {_READ}
        if _READ in actions:
            allowed.log_groups |= {_group_of(one) for one in _list(statement.get("Resource", []))}


def _group_of(arn: str) -> str:
    """The log group in an ARN such as ``arn:aws:logs:eu-west-1:1:log-group:/app:*``."""
    return arn.partition(":log-group:")[2].removesuffix(":*") or arn


def _list(value: Any) -> list[Any]:
    """What IAM writes as one value or as a list of them."""
    return value if isinstance(value, list) else [value]


def _listed(iam: Any, operation: str, key: str, **arguments: str) -> list[dict[str, Any]]:
    pages = iam.get_paginator(operation).paginate(**arguments)
    return [one for page in pages for one in page[key]]


def _key(context: Context, key: dict[str, str], allowed: Allowed) -> Iterator[Finding]:
    name, group = "service account key", key["log_group_name"]
    logs = context.account.make_client(
        "logs",
        region_name=key["region"],
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )
    refusal = _refusal(lambda: logs.filter_log_events(logGroupName=group, limit=1))
    if refusal in DENIED and allowed.conditional:
        yield skip(
            name,
            "cannot be judged from here: its policy has a condition, such as "
            "allowed_source_ranges, and refuses this address",
        )
    elif refusal is not None:
        yield fail(name, f"the key does not read {group}: {refusal}", _help(refusal))
    elif _refusal(logs.describe_log_groups) in DENIED:
        yield ok(name, f"reads {group}; may not list log groups")
    elif allowed.wider:
        yield warn(
            name,
            f"reads {group}, and may list log groups",
            "service_account_access=scoped takes that away.",
        )
    else:
        yield fail(
            name,
            "the key may list log groups, which its policy does not say",
            "Look for other policies of the user, its groups, or the log groups, and remove them.",
        )


def _help(refusal: str) -> str:
    if refusal in DENIED:
        return "Its policy is missing: see the policies above."
    if refusal == "ResourceNotFoundException":
        return "The log group does not exist: create it again, or deploy without it."
    return f"AWS does not know the key, or it is inactive. {_NEW_KEY}"


def _refusal(call: Any) -> str | None:
    """The code with which AWS refuses a call; None where it does not."""
    try:
        call()
    except Exception as error:
        code = error_code(error)
        if not code:
            raise
        return code
    return None
