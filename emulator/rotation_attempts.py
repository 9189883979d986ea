"""The steps of a secret's rotation, and its retries.

MiniStack 1.5.33 does not invoke the rotation function.

AWS invokes the function with the steps createSecret, setSecret, testSecret and finishSecret. "If
any rotation step fails, Secrets Manager retries the entire rotation process multiple times."
(Secrets Manager User Guide, "Lambda rotation functions")

The number of retries and their timing are undocumented. Here a rotation has `ATTEMPTS` attempts,
SECRET_ROTATION_RETRY_SECONDS apart (an environment variable, 3 by default). After that, the
rotation has failed until RotateSecret is called again, which retries it with the same token.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from typing import Any

from ministack.services import lambda_svc, secretsmanager

from emulator import patching, permissions
from emulator.secrets import Secret, find, labelled

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
ATTEMPTS = 5

_LOG = logging.getLogger("emulator.secret_rotation")
_SECONDS_BETWEEN_ATTEMPTS = "SECRET_ROTATION_RETRY_SECONDS"
_PRINCIPAL = "secretsmanager.amazonaws.com"
NOT_INVOCABLE = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
    f"grants access to the principal {_PRINCIPAL}."
)

_running: dict[str, _Rotation] = {}
_lock = threading.Lock()


def install() -> None:
    """Check that MiniStack has the attributes that this module uses."""
    patching.require(
        lambda_svc,
        [
            "_emit_lambda_metrics",
            "_execute_function_with_config_scope",
            "_execution_record_for_config",
            "_get_func_record_for_ref",
        ],
    )
    patching.require(secretsmanager, ["_remove_stage"])


def _function(arn: str) -> dict[str, Any] | None:
    record, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not record or not config:
        return None
    found: dict[str, Any] = lambda_svc._execution_record_for_config(record, config)
    return found


def is_invocable(function: str, secret: Secret) -> bool:
    """Return whether the function with an ARN allows Secrets Manager to invoke it."""
    return _function(function) is not None and permissions.allows_invocation(
        function, principals=(_PRINCIPAL,), source_arn=secret["ARN"]
    )


def start(secret: Secret, token: str, *, only_test: bool = False) -> None:
    """Start a rotation in the background, at once unless an attempt is already running."""
    arn = secret["ARN"]
    with _lock:
        rotation = _running.get(arn)
        if rotation is not None and rotation.resume(token):
            return
        steps = ("testSecret",) if only_test else STEPS
        rotation = _running[arn] = _Rotation(arn, token, steps)
    context = contextvars.copy_context()
    name = f"rotation-{secret['Name']}"
    threading.Thread(target=context.run, args=(rotation.run,), name=name, daemon=True).start()


def cancel(secret: Secret) -> None:
    """End the rotation of a secret after its current step."""
    secret["RotationEnabled"] = False
    with _lock:
        rotation = _running.get(secret["ARN"])
    if rotation is not None:
        rotation.cancel()


class _Rotation:
    """A rotation, with all its attempts."""

    def __init__(self, arn: str, token: str, steps: tuple[str, ...]) -> None:
        self._arn = arn
        self._token = token
        self._steps = steps
        self._wake = threading.Event()
        self._cancelled = False
        self._ended = False
        self._attempts_left = ATTEMPTS if steps == STEPS else 1

    def cancel(self) -> None:
        """Stop before the next step."""
        self._cancelled = True
        self._wake.set()

    def resume(self, token: str) -> bool:
        """Start the next attempt now. Return False if there is none, or if the token differs."""
        if self._ended or self._cancelled or token != self._token:
            return False
        self._attempts_left = ATTEMPTS
        self._wake.set()
        return True

    def run(self) -> None:
        """Try until the rotation succeeds or is given up."""
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
        """Run every step, and return whether the rotation is complete."""
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
        """Return the secret, or None if it is gone or the token has no pending version."""
        secret = find({"SecretId": self._arn})
        version = (secret or {"Versions": {}})["Versions"].get(self._token)
        return secret if version is not None and version["Stages"] else None

    def _step(self, secret: Secret, step: str) -> bool:
        arn = secret["RotationLambdaARN"]
        function = _function(arn)
        if function is None or not is_invocable(arn, secret):
            _LOG.error("%s of %s: %s", step, self._arn, NOT_INVOCABLE)
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
        """Check the result of finishSecret."""
        secret = find({"SecretId": self._arn})
        if secret is None:
            return True
        if labelled(secret, "AWSCURRENT") != self._token:
            _LOG.error("finishSecret of %s did not move AWSCURRENT", self._arn)
            return False
        secretsmanager._remove_stage(secret, self._token, "AWSPENDING")
        secret["LastRotatedDate"] = int(time.time())
        return True

    def _remove_test_version(self) -> None:
        secret = find({"SecretId": self._arn})
        if secret is not None and labelled(secret, "AWSCURRENT") != self._token:
            secret["Versions"].pop(self._token, None)
