"""The versions of a secret: the new key becomes current, and the replaced key is discarded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.runtime.aws_calls import error_code, string_fields

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"


class SecretVersions:
    """One secret with its versions. Every call raises ``CommandFailed`` if AWS refuses it."""

    def __init__(self, client: Any, arn: str) -> None:
        """Use a client of Secrets Manager for the secret with this ARN."""
        self._client = client
        self._arn = arn

    def value(self, stage: str) -> Mapping[str, str]:
        """Return the texts of a version's JSON object; none if there is no such version."""
        with aws_must("read the key's secret"):
            try:
                answer = self._client.get_secret_value(SecretId=self._arn, VersionStage=stage)
            except Exception as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                return {}
        return string_fields(answer.get("SecretString"))

    def replace(self, document: Mapping[str, str]) -> None:
        """Make a new value current, and remove the label of the replaced version.

        AWS Secrets Manager API reference, "PutSecretValue": the replaced version becomes the
        previous one, whose key the bridge would accept for a time.
        """
        with aws_must("store the new key"):
            self._client.put_secret_value(
                SecretId=self._arn, SecretString=json.dumps(dict(document))
            )
        self.forget_previous()

    def forget_previous(self) -> None:
        """Remove the label of the previous version."""
        with aws_must("remove the replaced key from its secret"):
            for version in self._with(PREVIOUS):
                self._client.update_secret_version_stage(
                    SecretId=self._arn, VersionStage=PREVIOUS, RemoveFromVersionId=version
                )

    def _with(self, stage: str) -> Iterator[str]:
        answer = self._client.describe_secret(SecretId=self._arn)
        for version, stages in answer.get("VersionIdsToStages", {}).items():
            if stage in stages:
                yield version
