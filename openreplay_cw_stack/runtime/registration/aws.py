"""The AWS calls of the unattended registration. Errors leave here as their code alone."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.runtime.aws_calls import (
    CallFailed,
    asked,
    aws_client,
    region_of,
    texts_of,
)
from openreplay_cw_stack.runtime.registration.unattended import CurrentKey

# A little longer than the function may take.
_REGISTRATION_SECONDS = 185


class SecretsManager:
    """Reads keys and logins."""

    def __init__(self, client: Any = None) -> None:
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or _client()

    def current(self, arn: str, tag: str) -> CurrentKey:
        """The current version of a secret, and what a tag of it says."""
        found = asked(self._client.describe_secret, SecretId=arn)
        told = [one["Value"] for one in found.get("Tags", []) if one["Key"] == tag]
        value = asked(self._client.get_secret_value, SecretId=arn)
        return CurrentKey(
            value["VersionId"], texts_of(value.get("SecretString")), told[0] if told else None
        )

    def document(self, arn: str) -> Mapping[str, str]:
        """The JSON object that a secret holds now.

        Secrets Manager of one region does not know the secrets of another.
        """
        client = self._given_client or _client(region_of(arn))
        value = asked(client.get_secret_value, SecretId=arn)
        return texts_of(value.get("SecretString"))

    def tag(self, arn: str, key: str, value: str) -> None:
        """Note something on a secret."""
        asked(self._client.tag_resource, SecretId=arn, Tags=[{"Key": key, "Value": value}])


def _client(region: str | None = None) -> Any:
    return aws_client("secretsmanager", attempts=3, read_timeout=8, region=region)


def run_registration(function_name: str, task: str, client: Any = None) -> None:
    """Have a registration function do something, and wait for its end.

    Raises:
        CallFailed: it could not be invoked, or did not come to an end.
    """
    functions = client or aws_client("lambda", attempts=1, read_timeout=_REGISTRATION_SECONDS)
    payload = json.dumps({"task": task}).encode()
    answer = asked(functions.invoke, FunctionName=function_name, Payload=payload)
    if answer.get("FunctionError"):
        raise CallFailed("FunctionError")
