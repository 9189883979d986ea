"""Rotation of secrets by a function, in the API and in CloudFormation.

MiniStack 1.5.33 answers RotateSecret by making a copy of the current version the new current one at
once, without a function. It has no CancelRotateSecret and no AWS::SecretsManager::RotationSchedule.

AWS:

- Secrets Manager User Guide, "Rotation by Lambda function" and "Lambda rotation functions": the
  function is invoked with the steps createSecret, setSecret, testSecret and finishSecret. "If any
  rotation step fails, Secrets Manager retries the entire rotation process multiple times."
- API Reference, "RotateSecret": it is asynchronous. The version it makes, named by
  ClientRequestToken, is AWSPENDING and has no value until createSecret puts one. Rotation succeeded
  if in the end AWSPENDING is nowhere or at AWSCURRENT; otherwise a later RotateSecret "assumes that
  a previous rotation request is still in progress and returns an error", InvalidRequestException,
  "A previous rotation isn't complete. That rotation will be reattempted." With RotateImmediately
  false, testSecret alone is run with an AWSPENDING version that is removed afterwards (it has the
  current value: seen on AWS, not documented). The caller also needs lambda:InvokeFunction on the
  function. "CancelRotateSecret" leaves AWSPENDING where it is.
- A function that Secrets Manager may not invoke is refused with AccessDeniedException (the words
  are those that AWS answers with). CDK's permission names no account; aws:SourceAccount and
  aws:SourceArn, the secret's, are evaluated.
- CloudFormation Template Reference, "AWS::SecretsManager::RotationSchedule": Ref is the secret's
  ARN; RotateImmediatelyOnUpdate is true by default. Creation does not wait for the rotation.

How often and when AWS tries again is not documented. Here a rotation is attempted `ATTEMPTS` times,
SECRET_ROTATION_RETRY_SECONDS apart (3 by default; a setting of the emulator's environment). Then it
stays failed until RotateSecret is called again, which attempts it again with the same token.

The schedule is stored and never fires by itself: call RotateSecret. A hosted rotation function
(HostedRotationLambda) is refused.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_region, json_response, new_uuid
from ministack.services import eventbridge, lambda_svc, secretsmanager
from ministack.services.cloudformation import provisioners

from emulator import function_policies, iam_evaluation, patching
from emulator.secret_versions import Data, Response, Secret, error, find, labelled

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
ATTEMPTS = 5

_LOG = logging.getLogger("emulator.secret_rotation")
_SECONDS_BETWEEN_ATTEMPTS = "SECRET_ROTATION_RETRY_SECONDS"
_TYPE = "AWS::SecretsManager::RotationSchedule"
_PRINCIPAL = "secretsmanager.amazonaws.com"
_NOT_INVOCABLE = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
    f"grants access to the principal {_PRINCIPAL}."
)
_NOT_FOUND = "Secrets Manager can't find the specified secret."
_INCOMPLETE = "A previous rotation isn't complete. That rotation will be reattempted."

_running: dict[str, _Rotation] = {}
_lock = threading.Lock()


def install() -> None:
    """Replace MiniStack's handlers and add the resource type."""
    patching.require(
        secretsmanager, ["_remove_stage_everywhere", "_resolve", "_secrets", "_sync_replicas"]
    )
    patching.require(
        lambda_svc,
        [
            "_emit_lambda_metrics",
            "_execute_function_with_config_scope",
            "_execution_record_for_config",
            "_get_func_record_for_ref",
        ],
    )
    patching.require(eventbridge, ["_cron_next_fire", "_parse_cron_fields", "_parse_rate_seconds"])
    patching.require(iam_evaluator, ["enforce"])
    patching.require(iam_actions, ["access_denied_response"])
    patching.require(router, ["extract_access_key_id"])
    patching.require(provisioners, ["_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES"])
    patching.wrap(secretsmanager, "_rotate_secret", _rotate_secret)
    patching.wrap(secretsmanager, "_describe_secret", _describe_secret)
    patching.wrap(secretsmanager, "handle_request", _handle_request)
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("SecretId",)


# --- API ---------------------------------------------------------------------------------------


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action in ("CancelRotateSecret", "RotateSecret"):
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            return await original(method, path, headers, body, query)
        if action == "CancelRotateSecret":
            return _cancel_rotate_secret(data)
        refusal = _caller_refusal(data, headers, query)
        if refusal is not None:
            return refusal
    return await original(method, path, headers, body, query)


def _caller_refusal(data: Data, headers: dict[str, str], query: Any) -> Any:
    """Refuse a caller who may rotate the secret but not invoke the function."""
    function = data.get("RotationLambdaARN") or (find(data) or {}).get("RotationLambdaARN")
    if not iam_evaluation.is_on() or not function:
        return None
    key = router.extract_access_key_id(headers, query) or ""
    action = "lambda:InvokeFunction"
    denied = iam_evaluator.enforce(key, action, "lambda", get_region(), resource_arn=function)
    if denied is None:
        return None
    principal = getattr(denied, "principal_arn", "")
    explicit = getattr(denied, "decision", "") == "Deny"
    return iam_actions.access_denied_response(
        "secretsmanager", action, principal, new_uuid(), explicit_deny=explicit
    )


def _rotate_secret(original: Any, data: Data) -> Response:
    secret = find(data)
    if secret is None or secretsmanager._is_replica(secret):
        response: Response = original(data)
        return response
    refusal = _rotation_refusal(secret, data)
    if refusal is not None:
        return refusal
    pending = labelled(secret, "AWSPENDING")
    token = data.get("ClientRequestToken")
    if pending is not None and pending != labelled(secret, "AWSCURRENT"):
        if not secret.get("RotationLambdaARN"):
            secret["RotationLambdaARN"] = data["RotationLambdaARN"]
        _start(secret, pending)
        if token == pending:
            return _answer(secret, pending)
        return error("InvalidRequestException", _INCOMPLETE)
    _store_settings(secret, data)
    if token in secret["Versions"]:
        return _answer(secret, token)
    return _begin(secret, token or new_uuid(), immediately=data.get("RotateImmediately", True))


def _rotation_refusal(secret: Secret, data: Data) -> Response | None:
    rules = data.get("RotationRules") or {}
    if "AutomaticallyAfterDays" in rules and "ScheduleExpression" in rules:
        return error(
            "InvalidParameterException",
            "You can't specify both AutomaticallyAfterDays and ScheduleExpression.",
        )
    if not 1 <= int(rules.get("AutomaticallyAfterDays", 1)) <= 1000:
        return error(
            "InvalidParameterException",
            "RotationRules.AutomaticallyAfterDays must be within 1-1000.",
        )
    function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
    if not function:
        return error(
            "InvalidRequestException",
            "No Lambda rotation function ARN is associated with this secret.",
        )
    if _function(function) is None or not _may_invoke(function, secret):
        return error("AccessDeniedException", _NOT_INVOCABLE)
    return None


def _store_settings(secret: Secret, data: Data) -> None:
    for name in ("RotationLambdaARN", "RotationRules"):
        if data.get(name):
            secret[name] = data[name]
    secret["RotationEnabled"] = True
    secret["LastChangedDate"] = int(time.time())
    secret["NextRotationDate"] = _next_rotation(secret.get("RotationRules") or {})


def _begin(secret: Secret, token: str, *, immediately: bool) -> Response:
    current = secret["Versions"].get(labelled(secret, "AWSCURRENT")) or {}
    kept = {} if immediately else current
    secretsmanager._remove_stage_everywhere(secret, "AWSPENDING")
    secret["Versions"][token] = {
        "SecretString": kept.get("SecretString"),
        "SecretBinary": kept.get("SecretBinary"),
        "CreatedDate": int(time.time()),
        "Stages": ["AWSPENDING"],
    }
    _start(secret, token, steps=STEPS if immediately else ("testSecret",))
    return _answer(secret, token if immediately else None)


def _answer(secret: Secret, version_id: str | None) -> Response:
    answer = {"ARN": secret["ARN"], "Name": secret["Name"]}
    if version_id is not None:
        answer["VersionId"] = version_id
    response: Response = json_response(answer)
    return response


def _cancel_rotate_secret(data: Data) -> Response:
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if secret is None:
        return error("ResourceNotFoundException", _NOT_FOUND)
    if find(data) is None:
        return error(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    _cancel(secret)
    pending = labelled(secret, "AWSPENDING")
    return _answer(secret, None if pending == labelled(secret, "AWSCURRENT") else pending)


def _cancel(secret: Secret) -> None:
    secret["RotationEnabled"] = False
    with _lock:
        rotation = _running.get(secret["ARN"])
    if rotation is not None:
        rotation.cancel()


def _describe_secret(original: Any, data: Data) -> Response:
    response: Response = original(data)
    if response[0] >= 400:
        return response
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    answer = json.loads(response[2])
    if not secret.get("RotationEnabled"):
        # MiniStack has False for a secret that rotation was never configured for.
        if not secret.get("RotationLambdaARN"):
            answer.pop("RotationEnabled", None)
    else:
        for name in ("LastRotatedDate", "NextRotationDate"):
            if secret.get(name) is not None:
                answer[name] = secret[name]
    described: Response = json_response(answer)
    return described


# --- The function ------------------------------------------------------------------------------


def _function(arn: str) -> dict[str, Any] | None:
    record, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not record or not config:
        return None
    found: dict[str, Any] = lambda_svc._execution_record_for_config(record, config)
    return found


def _may_invoke(function: str, secret: Secret) -> bool:
    return function_policies.allows(function, principals=(_PRINCIPAL,), source_arn=secret["ARN"])


def _start(secret: Secret, token: str, *, steps: tuple[str, ...] = STEPS) -> None:
    """Attempt a rotation in the background: at once, unless an attempt is under way."""
    arn = secret["ARN"]
    with _lock:
        rotation = _running.get(arn)
        if rotation is not None and rotation.resume(token):
            return
        rotation = _running[arn] = _Rotation(arn, token, steps)
    context = contextvars.copy_context()
    name = f"rotation-{secret['Name']}"
    threading.Thread(target=context.run, args=(rotation.run,), name=name, daemon=True).start()


class _Rotation:
    """One rotation, over all its attempts."""

    def __init__(self, arn: str, token: str, steps: tuple[str, ...]) -> None:
        self._arn = arn
        self._token = token
        self._steps = steps
        self._wake = threading.Event()
        self._cancelled = False
        self._ended = False
        self._attempts_left = ATTEMPTS if steps == STEPS else 1

    def cancel(self) -> None:
        """Make no further step."""
        self._cancelled = True
        self._wake.set()

    def resume(self, token: str) -> bool:
        """Stop waiting for the next attempt. False if there will be none, or of another token."""
        if self._ended or self._cancelled or token != self._token:
            return False
        self._attempts_left = ATTEMPTS
        self._wake.set()
        return True

    def run(self) -> None:
        """Attempt it until it succeeds or is given up."""
        pause = float(os.environ.get(_SECONDS_BETWEEN_ATTEMPTS, "3"))
        while True:
            with _lock:
                self._attempts_left -= 1
                self._wake.clear()
            done = self._attempt_logged()
            with _lock:
                if done or self._cancelled or self._attempts_left <= 0:
                    self._end()
                    return
            self._wake.wait(pause)

    def _end(self) -> None:
        self._ended = True
        if _running.get(self._arn) is self:
            del _running[self._arn]

    def _attempt_logged(self) -> bool:
        try:
            return self._attempt()
        except Exception:
            _LOG.exception("rotation of %s failed", self._arn)
            return False

    def _attempt(self) -> bool:
        """Make every step. Returns whether nothing is left to do."""
        try:
            for step in self._steps:
                secret = self._secret()
                if secret is None or self._cancelled:
                    return True
                if not self._step(secret, step):
                    return False
        finally:
            if self._steps != STEPS:
                self._remove_test_version()
        return self._steps != STEPS or self._succeed()

    def _secret(self) -> Secret | None:
        """Return the secret, unless it is gone or nothing is pending under the token."""
        secret = find({"SecretId": self._arn})
        version = (secret or {"Versions": {}})["Versions"].get(self._token)
        return secret if version is not None and version["Stages"] else None

    def _step(self, secret: Secret, step: str) -> bool:
        arn = secret["RotationLambdaARN"]
        function = _function(arn)
        if function is None or not _may_invoke(arn, secret):
            _LOG.error("%s of %s: %s", step, self._arn, _NOT_INVOCABLE)
            return False
        event = {"Step": step, "SecretId": self._arn, "ClientRequestToken": self._token}
        started = time.monotonic()
        result = lambda_svc._execute_function_with_config_scope(function, event)
        failed, throttled = bool(result.get("error")), bool(result.get("throttle"))
        milliseconds = (time.monotonic() - started) * 1000
        name = function["config"]["FunctionName"]
        if not throttled:
            lambda_svc._emit_lambda_metrics(name, milliseconds, failed, False)
        outcome = "failed" if failed or throttled else "succeeded"
        _LOG.info("%s of %s %s", step, self._arn, outcome)
        return not (failed or throttled)

    def _succeed(self) -> bool:
        """Look at what finishSecret left behind."""
        secret = find({"SecretId": self._arn})
        if secret is None:
            return True
        if labelled(secret, "AWSCURRENT") != self._token:
            _LOG.error("finishSecret of %s did not move AWSCURRENT", self._arn)
            return False
        secretsmanager._remove_stage(secret, self._token, "AWSPENDING")
        secret["LastRotatedDate"] = int(time.time())
        secret["NextRotationDate"] = _next_rotation(secret.get("RotationRules") or {})
        secretsmanager._sync_replicas(secret)
        return True

    def _remove_test_version(self) -> None:
        secret = find({"SecretId": self._arn})
        if secret is not None and labelled(secret, "AWSCURRENT") != self._token:
            secret["Versions"].pop(self._token, None)


def _next_rotation(rules: dict[str, Any]) -> int | None:
    now = datetime.now(timezone.utc)
    days, schedule = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression") or ""
    if days:
        # "AutomaticallyAfterDays": the window is the whole of that day.
        last = now + timedelta(days=int(days))
        return int(last.replace(hour=23, minute=59, second=59).timestamp())
    seconds = eventbridge._parse_rate_seconds(schedule)
    if seconds is not None:
        return int((now + timedelta(seconds=seconds)).timestamp())
    fields = eventbridge._parse_cron_fields(schedule)
    following = eventbridge._cron_next_fire(fields, now) if fields else None
    return int(following.timestamp()) if following else None


# --- CloudFormation ----------------------------------------------------------------------------


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    arn = _rotate(properties)
    return arn, {"Id": arn}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    arn = _rotate(new)
    return arn, {"Id": arn}


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    secret = find({"SecretId": physical_id})
    if secret is not None:
        _cancel(secret)


def _rotate(properties: dict[str, Any]) -> str:
    if properties.get("HostedRotationLambda"):
        raise ValueError(f"{_TYPE}: this emulator has no hosted rotation functions.")
    if not properties.get("SecretId"):
        raise ValueError(f"{_TYPE}: Property SecretId is required.")
    immediately = properties.get("RotateImmediatelyOnUpdate")
    request: Data = {
        "SecretId": properties["SecretId"],
        "RotateImmediately": immediately is None or str(immediately).lower() == "true",
    }
    if properties.get("RotationLambdaARN"):
        request["RotationLambdaARN"] = properties["RotationLambdaARN"]
    if properties.get("RotationRules"):
        rules = dict(properties["RotationRules"])
        if "AutomaticallyAfterDays" in rules:
            rules["AutomaticallyAfterDays"] = int(rules["AutomaticallyAfterDays"])
        request["RotationRules"] = rules
    status, _, body = secretsmanager._rotate_secret(request)
    answer = json.loads(body)
    if status >= 400:
        code = answer["__type"].rpartition("#")[2]
        raise ValueError(f"{answer['message']} ({_TYPE}, {code})")
    return str(answer["ARN"])
