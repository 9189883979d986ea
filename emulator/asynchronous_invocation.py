"""Asynchronous invocation of functions: retries, throttles, on-failure destinations.

MiniStack 1.5.33 counts a throttle as a failure, so a function at its reserved concurrency uses up
its attempts within seconds. The record in an on-failure destination has no version, time or request
id. Every attempt has a different request id.

AWS retries twice, one minute after the first attempt and two minutes after the second, with the
same request id. A throttled event waits between one second and five minutes, and uses up no
attempt, until its maximum age of 6 hours (Lambda Developer Guide, "How Lambda handles errors and
retries with asynchronous invocation"). With a reserved concurrency of zero, new events go straight
to the destination ("Configuring reserved concurrency"). The destination receives an invocation
record, and the execution role must be allowed to send to it ("Capturing records of Lambda
asynchronous invocations").

A minute on AWS is LAMBDA_ASYNC_RETRY_BASE_SECONDS here (default: 1). The only destinations are
queues, and only on failure. DeadLetterConfig and the settings of versions and aliases have no
effect.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ministack.services import cloudwatch, lambda_svc, sqs

from emulator import patching, permissions

_LOG = logging.getLogger("emulator.asynchronous_invocation")
_DEFAULT_RETRIES = 2
_DEFAULT_MAXIMUM_AGE = 6 * 60 * 60
_MIN_WAIT = 0.02
_SENDING = "sqs:SendMessage"

# The request id of the next function that runs in this context.
current_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


def install() -> None:
    """Replace MiniStack's asynchronous invocation for every service that uses it."""
    patching.require(
        lambda_svc,
        [
            "_LAMBDA_ASYNC_RETRY_BASE_SECONDS",
            "_execute_function",
            "_functions",
            "_reserved_concurrency",
            "_run_with_function_config_scope",
            "new_uuid",
        ],
    )
    patching.require(sqs, ["_act_send_message", "_queue_by_arn", "_queue_url"])
    patching.require(cloudwatch, ["record_metric"])
    patching.replace(lambda_svc, "invoke_async_with_retry", invoke)
    patching.wrap(lambda_svc, "_execute_function_dispatch", _dispatch)
    patching.wrap(lambda_svc, "_put_event_invoke_config", _put_event_invoke_config)
    patching.wrap(lambda_svc, "_emit_lambda_metrics", _emit_metrics)


def invoke(function: dict[str, Any], event: Any, *, once: bool = False) -> threading.Thread:
    """Invoke a function with an event, in the background.

    Args:
        function: MiniStack's record of the function, or of its version.
        event: The payload.
        once: Try only once, and ignore a failure.

    Returns:
        The task, which runs until the event succeeds or is given up.
    """
    request = _Request(
        function=function,
        event=event,
        identifier=lambda_svc.new_uuid(),
        settings=_Settings.of(function, once=once),
    )
    context = contextvars.copy_context()

    def run() -> None:
        current_request_id.set(request.identifier)
        lambda_svc._run_with_function_config_scope(function, request.run)

    name = f"asynchronous-invocation-{function['config']['FunctionName']}"
    thread = threading.Thread(target=context.run, args=(run,), name=name, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class _Settings:
    retries: int
    maximum_age: float
    on_failure: str

    @staticmethod
    def of(function: dict[str, Any], *, once: bool) -> _Settings:
        if once:
            return _Settings(0, _DEFAULT_MAXIMUM_AGE, "")
        base = lambda_svc._functions.get(function["config"]["FunctionName"]) or function
        kept = base.get("event_invoke_configs") or {}
        # Settings without a qualifier apply to $LATEST.
        stored = kept.get("$LATEST") or kept.get("") or {}
        destinations = stored.get("DestinationConfig") or {}
        retries = stored.get("MaximumRetryAttempts")
        return _Settings(
            retries=_DEFAULT_RETRIES if retries is None else int(retries),
            maximum_age=float(stored.get("MaximumEventAgeInSeconds") or _DEFAULT_MAXIMUM_AGE),
            on_failure=(destinations.get("OnFailure") or {}).get("Destination") or "",
        )


@dataclass
class _Request:
    """An event in Lambda's queue."""

    function: dict[str, Any]
    event: Any
    identifier: str
    settings: _Settings
    attempts: int = 0
    throttles: int = 0
    queued: float = 0.0

    def run(self) -> None:
        """Try until the event succeeds or is given up."""
        self._count("AsyncEventsReceived")
        self.queued = started = time.monotonic()
        while True:
            current = self._current_function()
            if current is None:
                _LOG.warning("%s was deleted; its event is dropped", self._name)
                return
            if lambda_svc._reserved_concurrency(current, current["config"]) == 0:
                self._give_up("ZeroReservedConcurrency", {})
                return
            result = self._attempt(current)
            if not result.get("error"):
                return
            throttled = bool(result.get("throttle"))
            if not throttled and self.attempts > self.settings.retries:
                self._give_up("RetriesExhausted", result)
                return
            wait = self._wait(throttled=throttled)
            if time.monotonic() - started + wait > self.settings.maximum_age:
                self._give_up("EventAgeExceeded", {} if throttled else result)
                return
            time.sleep(wait)

    @property
    def _name(self) -> str:
        return str(self.function["config"]["FunctionName"])

    def _current_function(self) -> dict[str, Any] | None:
        """Return the current function: a retry runs the code that is deployed by then."""
        base = lambda_svc._functions.get(self._name)
        if base is None:
            return None
        arn = self.function["config"]["FunctionArn"]
        return {**base, "config": {**base["config"], "FunctionArn": arn}}

    def _attempt(self, function: dict[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        result: dict[str, Any] = lambda_svc._execute_function(function, self.event)
        if result.get("throttle"):
            self.throttles += 1
            return result
        self._count("AsyncEventAge", (started - self.queued) * 1000, "Milliseconds")
        self.attempts += 1
        self._count("Invocations")
        self._count("Errors", 1 if result.get("error") else 0)
        self._count("Duration", (time.monotonic() - started) * 1000, "Milliseconds")
        outcome = "failed" if result.get("error") else "succeeded"
        _LOG.info("%s %s, attempt %d", self._name, outcome, self.attempts)
        if result.get("log"):
            _LOG.info("output of %s:\n%s", self._name, result["log"])
        return result

    def _wait(self, *, throttled: bool) -> float:
        minute: float = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
        if not throttled:
            return minute * self.attempts
        doublings = float(2 ** min(self.throttles, 20))
        return max(_MIN_WAIT, min(minute / 60 * doublings, 5 * minute))

    def _give_up(self, condition: str, result: dict[str, Any]) -> None:
        self._count("AsyncEventsDropped")
        queue, role = self.settings.on_failure, str(self.function["config"].get("Role") or "")
        if queue and not send(queue, json.dumps(self._record(condition, result)), role=role):
            self._count("DestinationDeliveryFailures")

    def _record(self, condition: str, result: dict[str, Any]) -> dict[str, Any]:
        config = self.function["config"]
        arn = ":".join([*str(config["FunctionArn"]).split(":")[:7], "$LATEST"])
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": _now(),
            "requestContext": {
                "requestId": self.identifier,
                "functionArn": arn,
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": self.event,
        }
        if result:
            context = {"statusCode": 200, "executedVersion": config.get("Version") or "$LATEST"}
            if result.get("error"):
                context["functionError"] = result.get("function_error") or "Unhandled"
            record["responseContext"] = context
            record["responsePayload"] = result.get("body")
        return record

    def _count(self, metric: str, value: float = 1, unit: str = "Count") -> None:
        dimensions = {"FunctionName": self._name}
        cloudwatch.record_metric("AWS/Lambda", metric, value, unit, dimensions)


def _now() -> str:
    text = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def send(queue: str, body: str, *, role: str) -> bool:
    """Send a message to a queue with the role of a function.

    Returns:
        Whether the message was sent. A failure is logged, because no caller waits for the result.
    """
    try:
        if sqs._queue_by_arn(queue) is None:
            raise LookupError("no such queue")
        if not permissions.role_may(role, _SENDING, queue):
            raise PermissionError(f"{role} may not call {_SENDING}")
        url = sqs._queue_url(queue.rsplit(":", 1)[-1])
        sqs._act_send_message({"QueueUrl": url, "MessageBody": body}, url)
    except Exception:
        _LOG.exception("an invocation record could not be delivered to %s", queue)
        return False
    return True


def _put_event_invoke_config(
    original: Any, function_name: str, qualifier: str | None, data: dict[str, Any]
) -> Any:
    """Reject a queue that the function's role may not send to."""
    config = (lambda_svc._functions.get(function_name) or {}).get("config") or {}
    destination = (data.get("DestinationConfig") or {}).get("OnFailure") or {}
    queue = destination.get("Destination") or ""
    if ":sqs:" in queue and not permissions.role_may(config.get("Role") or "", _SENDING, queue):
        return lambda_svc.error_response_json(
            "InvalidParameterValueException",
            "The function's execution role does not have permissions to call SendMessage on "
            f"{queue}",
            400,
        )
    return original(function_name, qualifier, data)


def _dispatch(
    original: Any,
    function: dict[str, Any],
    config: dict[str, Any],
    event: Any,
    request_id: str,
    started: float,
) -> Any:
    """Run an attempt with the request id of its event."""
    return original(function, config, event, current_request_id.get() or request_id, started)


def _emit_metrics(
    original: Any, function_name: str, duration_ms: float, error: bool, throttle: bool
) -> None:
    """Count only real invocations.

    MiniStack also counts the acceptance of an event, with a duration of zero. It counts a throttle
    as an invocation, and twice for a synchronous call.
    """
    if throttle:
        if duration_ms == 0:
            dimensions = {"FunctionName": function_name}
            cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", dimensions)
        return
    if duration_ms > 0 or error:
        original(function_name, duration_ms, error, throttle)
