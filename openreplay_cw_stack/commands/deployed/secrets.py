"""Reads the secrets that a deployment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.runtime.aws_calls import string_fields


@dataclass(frozen=True)
class Secret:
    """A version of a secret that is a JSON object.

    Attributes:
        texts: the texts in it, by name; none where it is not such an object.
        created: when this version was made.
    """

    texts: Mapping[str, str] = field(repr=False)
    created: datetime


def read_secret(account: Account, arn: str, stage: str = "AWSCURRENT") -> Secret:
    """Read a secret.

    Args:
        account: whose secret it is.
        arn: the secret's.
        stage: which version, by its staging label.

    Raises:
        ClientError: AWS refuses.
    """
    client = account.client("secretsmanager")
    answer = client.get_secret_value(SecretId=arn, VersionStage=stage)
    return Secret(string_fields(answer.get("SecretString")), answer["CreatedDate"])
