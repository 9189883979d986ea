"""Checks the service account: its secret, its keys, and the permissions of the current key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.service_account_policies import (
    POLICIES,
    Allowed,
    check_policies,
)
from openreplay_cw_stack.commands.deployed.account import DENIED
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from openreplay_cw_stack.commands.report.findings import (
    Finding,
    Step,
    fail,
    guarded,
    ok,
    skip,
    warn,
)
from openreplay_cw_stack.commands.terminal import count, days_ago, days_old
from openreplay_cw_stack.runtime.aws_calls import error_code

OLD_KEY_DAYS = 90
"""A key of this age should be replaced."""
UNUSED_DAYS = 30
"""A key that is unused for this long should be removed."""

_VALUES = ("access_key_id", "secret_access_key", "region", "log_group_name")
_NEW_KEY = (
    "Deploy with a higher key_serial, which creates a new key and stores it in the secret. If the "
    "key is rotated, rotate it instead: aws secretsmanager rotate-secret."
)
_UNUSED = (
    "OpenReplay v1.21 and later never use this key: service_account=false removes the account."
)


def check_service_account(context: Context) -> Step[None]:
    """Check the service account, if there is one."""
    user = context.deployment.resource("AWS::IAM::User", "ServiceAccountUser")
    if user is None:
        yield skip("service account", "the stack has none (OpenReplay v1.21 and later need none)")
        return
    name = user.physical_id
    key = yield from guarded("service account secret", _secret(context), None)
    # Before the key is used below.
    key_id = key["access_key_id"] if key else None
    yield from guarded("service account keys", _keys(context, name, key_id))
    allowed = yield from guarded(POLICIES, check_policies(context, name), Allowed())
    if key is None:
        yield skip("service account key", "not tried: there is no key")
    elif _is_being_taken_up(context, name):
        yield skip(
            "service account key",
            "not tried: the previous key is still active, and the rotation waits for the first use "
            "of the new one",
        )
    else:
        yield from guarded("service account key", _key(context, key, allowed))


def _secret(context: Context) -> Step[Mapping[str, str] | None]:
    """Check the secret, and return its values if they are complete."""
    name = "service account secret"
    secret = context.deployment.service_account_secret
    if secret is None:
        yield fail(name, "the stack has no secret for the key", _NEW_KEY)
        return None
    values = read_secret(context.account, secret.physical_id).texts
    missing = [one for one in _VALUES if not values.get(one)]
    if missing:
        yield fail(name, f"the secret lacks {', '.join(missing)}", _NEW_KEY)
        return None
    yield ok(name, f"has the {len(_VALUES)} values of OpenReplay's form")
    return values


def _keys(context: Context, user: str, current: str | None) -> Step[None]:
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
    seen = f"{count(len(keys), 'key')}{_ages(len(keys), age)}"
    if age >= OLD_KEY_DAYS:
        yield warn(name, seen, f"Replace a key after {OLD_KEY_DAYS} days. {_NEW_KEY}")
    elif len(keys) > 1:
        yield warn(
            name,
            seen,
            "A user can have two keys, so no new key can be created: delete the key that is not in "
            "the secret.",
        )
    else:
        yield ok(name, seen)
    if current is not None:
        yield from guarded("service account use", _use(context, current, ages[current]))


def _ages(keys: int, oldest: int) -> str:
    """Return the end of a sentence that begins with the number of keys."""
    if not keys:
        return ""
    is_oldest = "the oldest is " if keys > 1 and oldest else ""
    return f", {is_oldest}{days_old(oldest)}"


def _rotated_keys(name: str, keys: list[dict[str, Any]], current: str, age: int) -> Finding:
    seen = f"the current key {'is' if age else 'was'} {days_old(age)}"
    others = [one["Status"] for one in keys if one["AccessKeyId"] != current]
    if others == ["Active"] and age >= 1:
        return warn(
            name,
            f"{seen}, and the previous one is still active",
            "OpenReplay has not used the new key yet: enter the key of the secret there.",
        )
    return ok(name, seen + (f"; the previous one is {others[0].lower()}" if others else ""))


def _is_being_taken_up(context: Context, user: str) -> bool:
    """Return whether the rotation waits until OpenReplay uses the new key."""
    if context.rotation is None:
        return False
    keys = context.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return len([one for one in keys if one["Status"] == "Active"]) > 1


def _use(context: Context, key_id: str, age: int) -> Step[None]:
    name = "service account use"
    answer = context.client("iam").get_access_key_last_used(AccessKeyId=key_id)
    used = answer["AccessKeyLastUsed"].get("LastUsedDate")
    if used is None:
        seen, unused = "the key was never used", age >= UNUSED_DAYS
    else:
        days = context.account.days_since(used)
        seen, unused = f"the key was last used {days_ago(days)}", days >= UNUSED_DAYS
    if unused:
        yield warn(name, seen, _UNUSED)
    else:
        yield ok(name, f"{seen} (this check also uses it)")


def _key(context: Context, key: Mapping[str, str], allowed: Allowed) -> Step[None]:
    name, group = "service account key", key["log_group_name"]
    logs = context.account.make_client(
        "logs",
        region_name=key["region"],
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )
    refusal = _refusal(logs.filter_log_events, logGroupName=group, limit=1)
    if refusal in DENIED and allowed.conditional:
        yield skip(
            name,
            "cannot be checked from here: its policy has a condition, such as "
            "allowed_source_ranges, and refuses this address",
        )
    elif refusal is not None:
        yield fail(name, f"the key cannot read {group}: {refusal}", _help(refusal))
    elif _refusal(logs.describe_log_groups) in DENIED:
        yield ok(name, f"reads {group}; cannot list log groups")
    elif allowed.wider:
        yield warn(
            name,
            f"reads {group}; can also list log groups",
            "service_account_access=scoped removes that permission.",
        )
    else:
        yield fail(
            name,
            "the key can list log groups, which its policy does not allow",
            "Find the other policy of the user, its groups, or the log groups, and remove it.",
        )


def _help(refusal: str) -> str:
    if refusal in DENIED:
        return "The policy is missing: see the policies above."
    if refusal == "ResourceNotFoundException":
        return "The log group does not exist: create it again, or deploy without it."
    return f"AWS does not know the key, or it is inactive. {_NEW_KEY}"


def _refusal(call: Callable[..., Any], **arguments: Any) -> str | None:
    """Return the error code with which AWS refuses a call, or None if the call succeeds."""
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        return error_code(error)
    return None
