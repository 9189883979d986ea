"""The rotation's Lambda entry point. Secrets Manager, a schedule and CloudFormation invoke it."""

from __future__ import annotations

import functools
import os
import time

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import answer_deployment, is_deployment_event
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.rotation.access_key import AccessKey
from openreplay_cw_stack.runtime.rotation.api_key import ApiKey
from openreplay_cw_stack.runtime.rotation.aws import (
    BridgeUsage,
    IamUser,
    SecretsManagerSecret,
    invoke_later,
    stack_is_changing,
    stack_is_going,
)
from openreplay_cw_stack.runtime.rotation.deployment import KeyDeployment
from openreplay_cw_stack.runtime.rotation.kinds import RotatedKey, RotationFailed
from openreplay_cw_stack.runtime.rotation.rotating import Rotation, look_after
from openreplay_cw_stack.runtime.rotation.settings import Settings


def handler(event: dict[str, object], context: object) -> None:
    """Run a step of a rotation, check the keys, or handle a deployment.

    Raises:
        RotationRefused: see :meth:`.Rotation.step`. Secrets Manager retries the rotation.
        RotationFailed: see :meth:`.Rotation.step` and :func:`.look_after`.
    """
    if is_deployment_event(event):
        answer_deployment(event, context, _deployment().follow)
    elif "Step" in event:
        rotation = _rotations().get(str(event["SecretId"]))
        if rotation is None:
            raise RotationFailed("this function does not rotate that secret")
        rotation.step(str(event["Step"]), str(event["ClientRequestToken"]))
    else:
        look_after(_rotations().values())


@functools.cache
def _rotations() -> dict[str, Rotation]:
    settings = _settings()
    rotations: dict[str, Rotation] = {}
    if settings.api_key_secret_arn:
        kind = ApiKey(
            usage=BridgeUsage(settings.deployment),
            grace=settings.grace,
            notice=settings.notice,
            known_after=settings.known_after,
            clock=time.time,
            sleep=time.sleep,
        )
        rotations[settings.api_key_secret_arn] = _rotation(
            settings.api_key_secret_arn, kind, settings.api_key_projects
        )
    if settings.access_key_secret_arn:
        rotations[settings.access_key_secret_arn] = _rotation(
            settings.access_key_secret_arn, _access_key(), ()
        )
    return rotations


def _rotation(secret_arn: str, kind: RotatedKey, projects: tuple[str, ...]) -> Rotation:
    return Rotation(
        secret=SecretsManagerSecret(secret_arn),
        kind=kind,
        projects=projects,
        clock=time.time,
        notify_projects=_notify_projects,
        log=_log(),
    )


@functools.cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@functools.cache
def _log() -> FunctionLog:
    return FunctionLog(_settings().deployment)


@functools.cache
def _access_key() -> AccessKey:
    settings = _settings()
    return AccessKey(
        user=IamUser(
            settings.user_name,
            region=settings.region,
            reader_log_group=settings.reader_log_group,
            addresses_limited=settings.reader_addresses_limited,
        ),
        details={"region": settings.region, "log_group_name": settings.reader_log_group},
        grace=settings.grace,
        notice=settings.notice,
        orphan_after=settings.orphan_after,
        clock=time.time,
        sleep=time.sleep,
        stack_changes=lambda: stack_is_changing(settings.stack_id),
    )


def _deployment() -> KeyDeployment:
    arn = _settings().access_key_secret_arn
    if arn is None:
        raise KeyError("ACCESS_KEY_SECRET_ARN")
    return KeyDeployment(
        secret=SecretsManagerSecret(arn),
        access_key=_access_key(),
        stack_is_going=stack_is_going,
        clock=time.time,
        sleep=time.sleep,
    )


def _notify_projects() -> None:
    try:
        invoke_later(_settings().registration_functions)
    except CallFailed as failed:
        # Each registration also runs every hour.
        _log().warn(f"the projects will be registered within the hour: {failed}")
