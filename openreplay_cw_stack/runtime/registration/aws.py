"""The registration's AWS calls. Their errors contain only a code."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.contract.limits import REGISTRATION_TIMEOUT_SECONDS
from openreplay_cw_stack.runtime.aws_calls import (
    CallFailed,
    LazyClient,
    arn_region,
    asked,
    aws_client,
    string_fields,
)
from openreplay_cw_stack.runtime.registration.unattended import CurrentKey

_SLACK_SECONDS = 5


class SecretsManager:
    """Reads keys and logins."""

    def __init__(self, client: Any = None) -> None:
        # Secrets Manager finds a secret only in the secret's own region.
        self._client_in = functools.cache(lambda region: client or _client(region))

    def current(self, arn: str) -> CurrentKey:
        """Return the current version of a secret, and its tags.

        Raises:
            CallFailed: Secrets Manager did not return it.
        """
        client = self._client_in(arn_region(arn))
        found = asked(client.describe_secret, SecretId=arn)
        tags = {one["Key"]: one["Value"] for one in found.get("Tags", [])}
        value = asked(client.get_secret_value, SecretId=arn)
        return CurrentKey(value["VersionId"], string_fields(value.get("SecretString")), tags)

    def document(self, arn: str) -> Mapping[str, str]:
        """Return the string members of the JSON object in a secret.

        Raises:
            CallFailed: Secrets Manager did not return it.
        """
        value = asked(self._client_in(arn_region(arn)).get_secret_value, SecretId=arn)
        return string_fields(value.get("SecretString"))

    def tag(self, arn: str, key: str, value: str) -> None:
        """Set a tag on a secret.

        Raises:
            CallFailed: Secrets Manager rejected the call.
        """
        client = self._client_in(arn_region(arn))
        asked(client.tag_resource, SecretId=arn, Tags=[{"Key": key, "Value": value}])

    def untag(self, arn: str, key: str) -> None:
        """Remove a tag from a secret, if present.

        Raises:
            CallFailed: Secrets Manager rejected the call.
        """
        asked(self._client_in(arn_region(arn)).untag_resource, SecretId=arn, TagKeys=[key])


def _client(region: str | None) -> LazyClient:
    return LazyClient(
        lambda: aws_client("secretsmanager", attempts=3, read_timeout=8, region=region)
    )


def run_registration(function_name: str, event: Mapping[str, object], client: Any = None) -> None:
    """Invoke a registration function with an event, and wait until it ends.

    Raises:
        CallFailed: the function cannot be invoked, or failed.
    """
    timeout = REGISTRATION_TIMEOUT_SECONDS + _SLACK_SECONDS
    functions = client or LazyClient(lambda: aws_client("lambda", attempts=1, read_timeout=timeout))
    payload = json.dumps(event).encode()
    answer = asked(functions.invoke, FunctionName=function_name, Payload=payload)
    if answer.get("FunctionError"):
        raise CallFailed("FunctionError")
