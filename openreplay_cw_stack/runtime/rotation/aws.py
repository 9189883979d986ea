"""The AWS calls of the rotation. Errors leave here as their code alone."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.access_key_trial import access_key_refusal
from openreplay_cw_stack.runtime.aws_calls import (
    CallFailed,
    asked,
    aws_client,
    texts_of,
)
from openreplay_cw_stack.runtime.rotation.access_key import UserKey
from openreplay_cw_stack.runtime.rotation.secret import (
    PENDING,
    AlreadyStored,
    SecretState,
    StoredValue,
)

_HOUR = 3600


class SecretsManagerSecret:
    """One secret in Secrets Manager."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or _client("secretsmanager")

    def state(self) -> SecretState:
        """Its versions and tags as they are now."""
        found = asked(self._client.describe_secret, SecretId=self._arn)
        return SecretState(
            {one: frozenset(stages) for one, stages in found["VersionIdsToStages"].items()},
            {one["Key"]: one["Value"] for one in found.get("Tags", [])},
            _seconds(found["CreatedDate"]),
        )

    def value(self, version_id: str) -> StoredValue | None:
        """The value of a version; None where it has none."""
        try:
            found = asked(self._client.get_secret_value, SecretId=self._arn, VersionId=version_id)
        except CallFailed as failed:
            if str(failed) == "ResourceNotFoundException":
                return None
            raise
        return StoredValue(texts_of(found.get("SecretString")), _seconds(found["CreatedDate"]))

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        """Give a version its value; raises AlreadyStored."""
        try:
            asked(
                self._client.put_secret_value,
                SecretId=self._arn,
                ClientRequestToken=version_id,
                SecretString=json.dumps(dict(document)),
                VersionStages=[stage],
            )
        except CallFailed as failed:
            if str(failed) == "ResourceExistsException":
                raise AlreadyStored from None
            raise

    def move(self, stage: str, *, to: str, out_of: str | None) -> None:
        """Move a staging label to a version."""
        leaving = {"RemoveFromVersionId": out_of} if out_of else {}
        asked(
            self._client.update_secret_version_stage,
            SecretId=self._arn,
            VersionStage=stage,
            MoveToVersionId=to,
            **leaving,
        )

    def remove(self, stage: str, *, out_of: str) -> None:
        """Take a staging label away from a version."""
        asked(
            self._client.update_secret_version_stage,
            SecretId=self._arn,
            VersionStage=stage,
            RemoveFromVersionId=out_of,
        )

    def tag(self, key: str, value: str) -> None:
        """Note something on the secret."""
        asked(self._client.tag_resource, SecretId=self._arn, Tags=[{"Key": key, "Value": value}])

    def rotate(self) -> None:
        """Have Secrets Manager rotate it now, or go on with a rotation that is not complete."""
        try:
            asked(self._client.rotate_secret, SecretId=self._arn)
        except CallFailed as failed:
            # "A previous rotation isn't complete. That rotation will be reattempted."
            if str(failed) != "InvalidRequestException":
                raise


class IamUser:
    """The service account's IAM user."""

    def __init__(
        self,
        user_name: str,
        *,
        region: str,
        reader_log_group: str,
        addresses_limited: bool = False,
        client: Any = None,
    ) -> None:
        self._name = user_name
        self._region = region
        self._reader_log_group = reader_log_group
        self._addresses_limited = addresses_limited
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or _client("iam")

    @functools.cached_property
    def _client_without_retries(self) -> Any:
        """For what is not to be made twice."""
        return self._given_client or aws_client("iam", attempts=1, read_timeout=20)

    def list_keys(self) -> list[UserKey]:
        """Its access keys; none where there is no such user."""
        try:
            found = asked(self._client.list_access_keys, UserName=self._name)
        except CallFailed as failed:
            if str(failed) == "NoSuchEntity":
                return []
            raise
        return [
            UserKey(one["AccessKeyId"], one["Status"] == "Active", _seconds(one["CreateDate"]))
            for one in found["AccessKeyMetadata"]
        ]

    def create_key(self) -> tuple[str, str]:
        """A new access key: its id, and its secret."""
        made = asked(self._client_without_retries.create_access_key, UserName=self._name)
        return made["AccessKey"]["AccessKeyId"], made["AccessKey"]["SecretAccessKey"]

    def disable_key(self, key_id: str) -> None:
        """Make a key inactive."""
        asked(
            self._client.update_access_key,
            UserName=self._name,
            AccessKeyId=key_id,
            Status="Inactive",
        )

    def delete_key(self, key_id: str) -> None:
        """Delete a key; one that is not there is fine."""
        try:
            asked(self._client.delete_access_key, UserName=self._name, AccessKeyId=key_id)
        except CallFailed as failed:
            if str(failed) != "NoSuchEntity":
                raise

    def last_used(self, key_id: str) -> float | None:
        """When a key was last used; None where it never was, or is not there."""
        if not key_id:
            return None
        try:
            found = asked(self._client.get_access_key_last_used, AccessKeyId=key_id)
        except CallFailed as failed:
            # IAM denies this call for a key that is not there.
            denied = str(failed) == "AccessDenied" and key_id not in map(_id_of, self.list_keys())
            if denied or str(failed) == "NoSuchEntity":
                return None
            raise
        used = found["AccessKeyLastUsed"].get("LastUsedDate")
        return _seconds(used) if isinstance(used, datetime) else None

    def reads(self, document: Mapping[str, str]) -> str | None:
        """Try a key on the log group that it reads: None where it works, else the error's code.

        A key that works from other addresses alone is denied here. AWS denies what it has
        authenticated: the key itself works.
        """
        code = access_key_refusal(document, self._region, self._reader_log_group)
        return None if self._addresses_limited and code == "AccessDeniedException" else code


class BridgeUsage:
    """What the bridge has counted, from its metric."""

    def __init__(self, deployment: str, client: Any = None) -> None:
        self._deployment = deployment
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or _client("cloudwatch")

    def of(self, version_id: str, since: float) -> int:
        """How many sessions were asked for with a version's key."""
        dimensions = {names.DEPLOYMENT: self._deployment, names.KEY_VERSION: version_id}
        now = time.time()
        found = asked(
            self._client.get_metric_statistics,
            Namespace=names.NAMESPACE,
            MetricName=names.KEY_USES,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=_moment(since),
            EndTime=_moment(now + _HOUR),
            # There are at most 1440 points in an answer.
            Period=_HOUR if now - since < 1000 * _HOUR else 24 * _HOUR,
            Statistics=["Sum"],
        )
        return int(sum(point["Sum"] for point in found["Datapoints"]))


def invoke_later(function_names: tuple[str, ...], client: Any = None) -> None:
    """Have the projects told, without waiting: asynchronous invocations."""
    if not function_names:
        return
    functions = client or _client("lambda")
    for name in function_names:
        asked(functions.invoke, FunctionName=name, InvocationType="Event", Payload=b"{}")


def stack_is_going(stack_id: str, client: Any = None) -> bool:
    """Whether a stack is being deleted, and not merely updated."""
    return _stack_status(stack_id, client).startswith(("DELETE_", "ROLLBACK_"))


def stack_is_changing(stack_id: str, client: Any = None) -> bool:
    """Whether a stack is being created, updated or deleted."""
    return _stack_status(stack_id, client).endswith("_IN_PROGRESS")


def _stack_status(stack_id: str, client: Any) -> str:
    stacks = asked((client or _client("cloudformation")).describe_stacks, StackName=stack_id)
    return str(stacks["Stacks"][0]["StackStatus"])


def _id_of(key: UserKey) -> str:
    return key.key_id


def _client(service: str) -> Any:
    return aws_client(service, attempts=4, read_timeout=10)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
