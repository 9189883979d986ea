"""Evaluation of IAM policies: a switch, and the resources of CloudWatch Logs.

MiniStack 1.5.33 verifies signatures and evaluates policies only if told so at start-up, under which
`cdk deploy` does not get through. It names the resource of every call to CloudWatch Logs
`…:log-group:NAME`, so that policies written for AWS, which end in `:*`, allow nothing. An AWS
managed policy it does not know allows everything. Functions that were already running keep the
root credentials they started with. All requests count as sent without TLS, so a resource policy
that enforces TLS refuses everyone.

AWS:

- CloudWatch Logs User Guide, "Overview of managing access permissions to your CloudWatch Logs
  resources": the ARN of a log group ends in `:*` in policies, except for the tagging actions.
- Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch
  Logs": CreateLogStream, DeleteLogStream, GetLogEvents and PutLogEvents have the log stream as
  their resource. Refusals of AWS show what it compares with: `log-group:NAME:log-stream:STREAM` for
  these, `log-group:NAME:log-stream:` for actions on a group, `log-group::log-stream:` for
  DescribeLogGroups. So does this module.
- A request that names several groups (StartQuery, StartLiveTail) is compared with the first only.
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
from emulator.managed_policies import CLOUDWATCH_READ_ONLY_ACCESS

_STREAM_ACTIONS = frozenset({"CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"})
_LOG_GROUP_PREFIX = re.compile(r"arn:[^:]*:logs:[^:]*:[^:]*:log-group:([^:]+)")


def install() -> None:
    """Replace MiniStack's parts. Evaluation stays off until `switch(True)`."""
    patching.require(app, ["AUTH"])
    patching.require(lambda_runtime, ["_lock", "_workers", "kill_workers"])
    patching.require(iam, ["_aws_managed_policies", "_make_aws_managed_record"])
    patching.wrap(iam_actions, "extract_resource_arn", _extract_resource_arn)
    patching.wrap(iam_actions, "logs_service_context", _logs_service_context)
    patching.wrap(iam, "_seed_aws_managed_policies", _seed_aws_managed_policies)
    patching.wrap(lambda_svc, "release_worker", _release_worker)
    patching.wrap(app, "pin_request_origin", _pin_request_origin)
    patching.require(iam_evaluator, ["pin_request_origin"])
    # The origin of what no request stands behind: alarms, retries, event source mappings.
    origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
    patching.replace(iam_evaluator, "_request_origin", origin)
    _add_managed_policies()


def is_on() -> bool:
    """Say whether signatures are verified and policies evaluated."""
    return bool(app.AUTH)


def switch(enabled: bool) -> None:
    """Turn verification and evaluation on or off.

    A function's credentials are set when its process starts, so processes from before the switch
    are retired: the idle ones now, the busy ones when they are done.
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
    """Answer GET with the state of the switch, and POST {"enabled": true} by setting it."""
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
    if service != "logs" or action in {"TagResource", "UntagResource", "ListTagsForResource"}:
        return found
    resource = logs_resource(action, _payload(body))
    return f"arn:aws:logs:{region}:{account}:{resource}" if resource else found


def logs_resource(action: str, payload: dict[str, Any]) -> str | None:
    """Return what AWS compares with a policy's resources, or `None` if no log group is involved."""
    if action == "DescribeLogGroups":
        return "log-group::log-stream:"
    group = _log_group(payload)
    if group is None:
        return None
    stream = payload.get("logStreamName") if action in _STREAM_ACTIONS else ""
    return f"log-group:{group}:log-stream:{stream or ''}"


def _log_group(payload: dict[str, Any]) -> str | None:
    candidates = [payload.get("logGroupName"), payload.get("logGroupIdentifier")]
    for member in ("logGroupNames", "logGroupIdentifiers"):
        listed = payload.get(member)
        candidates += listed[:1] if isinstance(listed, list) else []
    for candidate in candidates:
        if isinstance(candidate, str) and candidate:
            arn = _LOG_GROUP_PREFIX.match(candidate)
            return arn.group(1) if arn else candidate
    return None


def _logs_service_context(
    original: Any, action: str, body: bytes, resource_arn: str, region: str, account: str
) -> Any:
    """Look up the tags of the group by the ARN under which MiniStack keeps it."""
    return original(action, body, resource_arn.partition(":log-stream:")[0], region, account)


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body or b"{}")
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


# --- AWS managed policies ----------------------------------------------------------------------


def _seed_aws_managed_policies(original: Any) -> None:
    original()
    _add_managed_policies()


def _add_managed_policies() -> None:
    record = iam._make_aws_managed_record(
        "CloudWatchReadOnlyAccess",
        json.dumps(CLOUDWATCH_READ_ONLY_ACCESS),
        description="Provides read only access to CloudWatch.",
    )
    iam._aws_managed_policies[record["Arn"]] = record
