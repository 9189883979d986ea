"""IAM policy evaluation: a switch, and the resources of CloudWatch Logs and access keys.

MiniStack 1.5.33 evaluates policies from its start or never, and `cdk deploy` fails while it does.
It uses `…:log-group:NAME` as the resource of every call to CloudWatch Logs, so policies for AWS,
whose resources end in `:*`, allow nothing. It evaluates GetAccessKeyLastUsed without a user. An
unknown AWS managed policy allows everything. Functions that are already running keep their root
credentials. All requests count as sent without TLS.

AWS compares `log-group:NAME:log-stream:STREAM` for actions on a stream, the same without STREAM for
actions on a group, and `log-group::log-stream:` for DescribeLogGroups, as its error messages show
(CloudWatch Logs User Guide, "Overview of managing access permissions to your CloudWatch Logs
resources"). The resource of actions on access keys is their user (Service Authorization Reference,
"Actions, resources, and condition keys for AWS Identity and Access Management").

Here CloudWatchReadOnlyAccess contains only the actions of CloudWatch and CloudWatch Logs (AWS
Managed Policy Reference, version 25).
"""

from __future__ import annotations

import contextvars
import json
import re
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import iam, lambda_svc

from emulator import patching

_STREAM_ACTIONS = frozenset({"CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"})
_LOG_GROUP_PREFIX = re.compile(r"arn:[^:]*:logs:[^:]*:[^:]*:log-group:([^:]+)")
_READ_ONLY_ACTIONS = [
    *(f"cloudwatch:{verb}*" for verb in ("BatchGet", "Describe", "Get", "List")),
    "cloudwatch:GenerateQuery",
    *(f"logs:{verb}*" for verb in ("Describe", "Get", "List")),
    *("logs:StartQuery", "logs:StopQuery", "logs:TestMetricFilter", "logs:FilterLogEvents"),
    *("logs:StartLiveTail", "logs:StopLiveTail"),
]


def install() -> None:
    """Replace MiniStack's handlers. Evaluation stays off until `switch(True)`."""
    patching.require(app, ["AUTH"])
    patching.require(lambda_runtime, ["_lock", "_workers", "kill_workers"])
    patching.require(iam, ["_access_keys", "_aws_managed_policies", "_users"])
    patching.require(iam, ["_make_aws_managed_record", "_p"])
    patching.wrap(iam_actions, "extract_resource_arn", _extract_resource_arn)
    patching.wrap(iam_actions, "logs_service_context", _logs_service_context)
    patching.wrap(lambda_svc, "release_worker", _release_worker)
    patching.wrap(app, "pin_request_origin", _pin_request_origin)
    patching.require(iam_evaluator, ["pin_request_origin"])
    # The origin of calls without a request: alarms, retries, event source mappings.
    origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
    patching.replace(iam_evaluator, "_request_origin", origin)
    _add_managed_policies()


def is_on() -> bool:
    """Return whether signatures are verified and policies evaluated."""
    return bool(app.AUTH)


def switch(enabled: bool) -> None:
    """Turn verification and evaluation on or off.

    A function's process gets its credentials when it starts. So this ends idle processes now, and
    busy ones after their invocation.
    """
    if enabled == app.AUTH:
        return
    app.AUTH = enabled
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        lambda_runtime._workers.clear()
        for worker in workers:
            worker.retired = True
    lambda_runtime.kill_workers([worker for worker in workers if not worker.in_use])


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Return the state of the switch on GET, and set it on POST {"enabled": true}."""
    status = 200
    if method == "POST":
        try:
            wanted = json.loads(content)["enabled"]
        except (ValueError, KeyError, TypeError):
            wanted = None
        if isinstance(wanted, bool):
            switch(wanted)
        else:
            status = 400
    return status, {"enabled": is_on()}


def _release_worker(original: Any, worker: Any) -> None:
    original(worker)
    if getattr(worker, "retired", False):
        lambda_runtime.kill_workers([worker])


def _pin_request_origin(original: Any, source_ip: str, secure_transport: bool) -> None:
    original(source_ip, True)


# --- Resources of CloudWatch Logs --------------------------------------------------------------


def _extract_resource_arn(
    original: Any,
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    region: str,
    account: str,
) -> Any:
    found = original(service, method, path, headers, body, query, region, account)
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if service == "iam":
        return _user_of_key(query) or found
    if service != "logs" or action in {"TagResource", "UntagResource", "ListTagsForResource"}:
        return found
    resource = logs_resource(action, _payload(body))
    return f"arn:aws:logs:{region}:{account}:{resource}" if resource else found


def _user_of_key(query: dict[str, Any]) -> str | None:
    """Return the ARN of the user whose key a request names without naming the user."""
    named, key = iam._p(query, "UserName"), iam._p(query, "AccessKeyId")
    record = None if named else iam._access_keys.get(key)
    return str(iam._users[record["UserName"]]["Arn"]) if record else None


def logs_resource(action: str, payload: dict[str, Any]) -> str | None:
    """Return the resource that AWS compares with a policy, or `None` without a log group."""
    if action == "DescribeLogGroups":
        return "log-group::log-stream:"
    group = _log_group(payload)
    if group is None:
        return None
    stream = payload.get("logStreamName") if action in _STREAM_ACTIONS else ""
    return f"log-group:{group}:log-stream:{stream or ''}"


def _log_group(payload: dict[str, Any]) -> str | None:
    name = payload.get("logGroupName") or payload.get("logGroupIdentifier")
    arn = _LOG_GROUP_PREFIX.match(name) if name else None
    return arn.group(1) if arn else name


def _logs_service_context(
    original: Any, action: str, body: bytes, resource_arn: str, region: str, account: str
) -> Any:
    """Look up the group's tags under the ARN that MiniStack uses."""
    return original(action, body, resource_arn.partition(":log-stream:")[0], region, account)


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body or b"{}")
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _add_managed_policies() -> None:
    statement = {"Effect": "Allow", "Action": _READ_ONLY_ACTIONS, "Resource": "*"}
    record = iam._make_aws_managed_record(
        "CloudWatchReadOnlyAccess",
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        description="Provides read only access to CloudWatch.",
    )
    iam._aws_managed_policies[record["Arn"]] = record
