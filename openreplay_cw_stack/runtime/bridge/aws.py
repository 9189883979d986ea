"""The AWS calls of the bridge. Errors leave here as their code alone."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

from openreplay_cw_stack.runtime.aws_calls import aws_client, error_code
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysUnavailable
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed

_VERSIONS = ("AWSCURRENT", "AWSPREVIOUS")


class CloudWatchLogsReader:
    """Reads one log group with FilterLogEvents, and nothing else."""

    def __init__(self, log_group: str, client: Any = None) -> None:
        self._log_group = log_group
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or _client("logs")

    def page(
        self, *, pattern: str, start_ms: int, end_ms: int, token: str | None, limit: int | None
    ) -> Page:
        """A page of events, each with its arrival time; raises ReadFailed."""
        parameters: dict[str, Any] = {
            "logGroupName": self._log_group,
            "filterPattern": pattern,
            "startTime": max(0, start_ms),
            "endTime": max(0, end_ms),
        }
        if token is not None:
            parameters["nextToken"] = token
        if limit is not None:
            parameters["limit"] = limit
        try:
            answer = self._client.filter_log_events(**parameters)
        except Exception as error:
            raise ReadFailed(error_code(error)) from None
        events = [(one["timestamp"], one["message"]) for one in answer.get("events", [])]
        return Page(events, answer.get("nextToken"))


class SecretsManagerKeys:
    """Reads the API key from its secret: the current version, and the previous if there is one."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._given_client = client

    def __call__(self) -> Sequence[ApiKey]:
        """The accepted keys; raises KeysUnavailable."""
        client = self._given_client or _client("secretsmanager")
        keys = []
        for version in _VERSIONS:
            try:
                answer = client.get_secret_value(SecretId=self._arn, VersionStage=version)
                keys.append(_key_of(answer))
            except Exception as error:
                if version == "AWSCURRENT":
                    raise KeysUnavailable(error_code(error)) from None
        return keys


def _key_of(answer: dict[str, Any]) -> ApiKey:
    document = json.loads(answer["SecretString"])
    return ApiKey(str(document["api_key_id"]), str(document["api_key"]))


def _client(service: str) -> Any:
    """Two attempts in 12 seconds at most: an HTTP API gives up on the function after 30."""
    return aws_client(service, attempts=2, read_timeout=4, connect_timeout=2)
