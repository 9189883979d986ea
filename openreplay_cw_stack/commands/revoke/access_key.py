"""Revokes the access key of the service account.

The command first deletes the keys in the secret, so that AWS refuses them even if no new key can be
created. It does not delete keys that are in no version of the secret, since a person created them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.revoke.report import Revoked
from openreplay_cw_stack.commands.revoke.versions import (
    CURRENT,
    PENDING,
    PREVIOUS,
    SecretVersions,
)
from openreplay_cw_stack.runtime.aws_calls import error_code

_ROTATED_SECRET = "ServiceAccountRotatedSecret"


def revoke_access_key(account: Account, deployment: Deployment, *, replace: bool) -> Revoked:
    """Delete the service account's key, then create and store a new one.

    Args:
        account: the account of the deployment.
        deployment: the deployment with the service account.
        replace: whether to create a new key; otherwise the service account has none.

    Raises:
        CommandFailed: there is no service account, or AWS refuses a call.
    """
    user, secret_arn, rotated = _service_account(deployment)
    secret = SecretVersions(account.client("secretsmanager"), secret_arn)
    current = secret.value(CURRENT)
    documents = [current, secret.value(PREVIOUS), secret.value(PENDING)]
    iam = account.client("iam")
    deleted = [key_id for key_id in _key_ids(documents) if _delete(iam, user, key_id)]
    done = [f"deleted the access key {key_id} of {user}" for key_id in deleted]
    if not replace:
        secret.forget_previous()
        return Revoked("access", done or [f"{user} has none of the keys of its secret"], [])
    key_id = _make(iam, user, secret, current)
    done.append(f"created the access key {key_id}, which is now in the secret")
    to_do = [
        "Every OpenReplay instance up to v1.20 that uses the key needs the new key from the secret"
    ]
    if not rotated:
        to_do.append(
            "CloudFormation does not know the new key: before you delete the stack or raise "
            f"key_serial, delete the key with {PROGRAM} revoke --key access --no-new-key --stack "
            f"{deployment.stack.name}"
        )
    return Revoked("access", done, to_do)


def _service_account(deployment: Deployment) -> tuple[str, str, bool]:
    """Return the name of the user, the ARN of its secret, and whether its key is rotated."""
    user = deployment.resource("AWS::IAM::User", "ServiceAccountUser")
    secret = deployment.service_account_secret
    if user is None or secret is None:
        raise CommandFailed(f"{deployment.name} has no service account, so it has no access key")
    return user.physical_id, secret.physical_id, _ROTATED_SECRET in secret.logical_id


def _key_ids(documents: list[Mapping[str, str]]) -> list[str]:
    found = [one["access_key_id"] for one in documents if one.get("access_key_id")]
    return list(dict.fromkeys(found))


def _delete(iam: Any, user: str, key_id: str) -> bool:
    """Delete a key, and return whether it existed."""
    with aws_must(f"delete the access key {key_id} of {user}"):
        try:
            iam.delete_access_key(UserName=user, AccessKeyId=key_id)
        except Exception as error:
            if error_code(error) != "NoSuchEntity":
                raise
            return False
    return True


def _make(iam: Any, user: str, secret: SecretVersions, current: Mapping[str, str]) -> str:
    """Create a key and store it. If it cannot be stored, delete it."""
    with aws_must(f"create an access key for {user} (the old one is deleted; run this again)"):
        made = iam.create_access_key(UserName=user)["AccessKey"]
    key_id: str = made["AccessKeyId"]
    document = {
        **current,
        "access_key_id": key_id,
        "secret_access_key": made["SecretAccessKey"],
    }
    try:
        secret.replace(document)
    except CommandFailed:
        _delete(iam, user, key_id)
        raise
    return key_id
