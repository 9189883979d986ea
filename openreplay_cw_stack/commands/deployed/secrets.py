"""Reads the secrets of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.runtime.aws_calls import string_fields


@dataclass(frozen=True)
class Secret:
    """A version of a secret whose value is a JSON object.

    Attributes:
        texts: the texts in the object, by name; empty if the value is not an object.
        created: when this version was created.
    """

    texts: Mapping[str, str] = field(repr=False)
    created: datetime


def read_secret(account: Account, arn: str, stage: str = "AWSCURRENT") -> Secret:
    """Read a secret.

    Args:
        account: the account of the secret.
        arn: the secret's ARN.
        stage: the staging label of the version.

    Raises:
        ClientError: AWS refuses the call.
    """
    client = account.client("secretsmanager")
    answer = client.get_secret_value(SecretId=arn, VersionStage=stage)
    return Secret(string_fields(answer.get("SecretString")), answer["CreatedDate"])
