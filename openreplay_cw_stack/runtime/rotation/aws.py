"""The rotation's AWS calls. Their errors contain only a code."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.aws_calls import (
    CallFailed,
    LazyClient,
    asked,
    aws_client,
    string_fields,
)
from openreplay_cw_stack.runtime.rotation.secret import (
    PENDING,
    AlreadyStored,
    SecretState,
    StoredValue,
)
from openreplay_cw_stack.runtime.rotation.user import UserKey

_HOUR = 3600


class SecretsManagerSecret:
    """One secret in Secrets Manager."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or _client("secretsmanager")

    def state(self) -> SecretState:
        """Return the versions and the tags."""
        found = asked(self._client.describe_secret, SecretId=self._arn)
        return SecretState(
            {one: frozenset(stages) for one, stages in found["VersionIdsToStages"].items()},
            {one["Key"]: one["Value"] for one in found.get("Tags", [])},
        )

    def value(self, version_id: str) -> StoredValue | None:
        """Return the value of a version, or None if it has none."""
        try:
            found = asked(self._client.get_secret_value, SecretId=self._arn, VersionId=version_id)
        except CallFailed as failed:
            if str(failed) == "ResourceNotFoundException":
                return None
            raise
        return StoredValue(string_fields(found.get("SecretString")), _seconds(found["CreatedDate"]))

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        """Store the value of a version.

        Raises:
            AlreadyStored: the version has another value.
        """
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
        """Remove a staging label from a version."""
        asked(
            self._client.update_secret_version_stage,
            SecretId=self._arn,
            VersionStage=stage,
            RemoveFromVersionId=out_of,
        )

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        asked(self._client.tag_resource, SecretId=self._arn, Tags=[{"Key": key, "Value": value}])

    def rotate(self) -> None:
        """Ask Secrets Manager to rotate the secret now, or to repeat an incomplete rotation."""
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
        self._client = client or _client("iam")
        # A retry could create a second key.
        self._client_without_retries = client or LazyClient(
            lambda: aws_client("iam", attempts=1, read_timeout=20)
        )

    def list_keys(self) -> list[UserKey]:
        """Return the user's access keys; empty if the user does not exist."""
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
        """Create an access key and return its id and its secret."""
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
        """Delete a key, if it exists."""
        try:
            asked(self._client.delete_access_key, UserName=self._name, AccessKeyId=key_id)
        except CallFailed as failed:
            if str(failed) != "NoSuchEntity":
                raise

    def last_used(self, key_id: str) -> float | None:
        """Return when a key was last used; None if it never was, or does not exist."""
        if not key_id:
            return None
        try:
            found = asked(self._client.get_access_key_last_used, AccessKeyId=key_id)
        except CallFailed as failed:
            # IAM denies this call for a key that does not exist.
            denied = str(failed) == "AccessDenied" and key_id not in map(_id_of, self.list_keys())
            if denied or str(failed) == "NoSuchEntity":
                return None
            raise
        used = found["AccessKeyLastUsed"].get("LastUsedDate")
        return _seconds(used) if isinstance(used, datetime) else None

    def reads(self, document: Mapping[str, str]) -> str | None:
        """Read the tracked log group with a key; return None on success, else the error code.

        AWS denies a key that is limited to other addresses. It authenticates a call before it
        denies it, so this denial also proves that the key works.
        """
        code = _trial_of(document, self._region, self._reader_log_group)
        return None if self._addresses_limited and code == "AccessDeniedException" else code


def _trial_of(document: Mapping[str, str], region: str, log_group: str) -> str | None:
    """Read a log group with an access key; return None on success, else the error code.

    IAM records this as a use of the key: see TESTED_AT_TAG.
    """
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "logs",
        region_name=region,
        aws_access_key_id=document["access_key_id"],
        aws_secret_access_key=document["secret_access_key"],
        # Do not use the session token of the function's role.
        aws_session_token=None,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=10),
    )
    try:
        asked(client.filter_log_events, logGroupName=log_group, limit=1)
    except CallFailed as failed:
        return str(failed)
    return None


class BridgeUsage:
    """The bridge's count of key uses, read from its metric."""

    def __init__(self, deployment: str, client: Any = None) -> None:
        self._deployment = deployment
        self._client = client or _client("cloudwatch")

    def of(self, version_id: str, since: float) -> int:
        """Return how many searches for a session used the key of a version since a time."""
        dimensions = {names.DEPLOYMENT: self._deployment, names.KEY_VERSION: version_id}
        now = time.time()
        found = asked(
            self._client.get_metric_statistics,
            Namespace=names.NAMESPACE,
            MetricName=names.KEY_USES,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=_moment(since),
            EndTime=_moment(now + _HOUR),
            # A response has at most 1440 data points.
            Period=_HOUR if now - since < 1000 * _HOUR else 24 * _HOUR,
            Statistics=["Sum"],
        )
        return int(sum(point["Sum"] for point in found["Datapoints"]))


def invoke_later(function_names: tuple[str, ...], client: Any = None) -> None:
    """Invoke functions asynchronously."""
    functions = client or _client("lambda")
    for name in function_names:
        asked(functions.invoke, FunctionName=name, InvocationType="Event", Payload=b"{}")


def stack_is_going(stack_id: str, client: Any = None) -> bool:
    """Return whether a stack is being deleted, not updated."""
    return _stack_status(stack_id, client).startswith(("DELETE_", "ROLLBACK_"))


def stack_is_changing(stack_id: str, client: Any = None) -> bool:
    """Return whether a stack is being created, updated or deleted."""
    return _stack_status(stack_id, client).endswith("_IN_PROGRESS")


def _stack_status(stack_id: str, client: Any) -> str:
    stacks = asked((client or _client("cloudformation")).describe_stacks, StackName=stack_id)
    return str(stacks["Stacks"][0]["StackStatus"])


def _id_of(key: UserKey) -> str:
    return key.key_id


def _client(service: str) -> LazyClient:
    return LazyClient(lambda: aws_client(service, attempts=4, read_timeout=10))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
