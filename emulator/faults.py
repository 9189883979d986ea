"""Faults in front of the API: errors, withheld responses, delays, and functions that die.

This module corrects nothing in MiniStack. With it, tests observe a caller whose call fails. It also
chooses the items that BatchWriteItem leaves unprocessed; `dynamodb` leaves them out.

A fault applies to the calls of one action of one service. Calls between AWS services, such as the
delivery of a log event to a function, are never affected. An SDK retries calls that fail with a 5xx
status or a throttle, and each attempt counts: botocore makes up to five in its default mode.

Errors have the format of each protocol: `__type` and `x-amzn-errortype` in AWS JSON, an
`ErrorResponse` in AWS query (Smithy documentation, "AWS protocols").
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from ministack.core import iam_actions, lambda_runtime, router

from emulator import patching

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MESSAGE = "Injected by the emulator."

# boto3's names of services that have another name in signatures.
_SIGNING_NAMES = {"cloudwatch": "monitoring", "stepfunctions": "states"}
# Errors that AWS returns with status 400.
_BAD_REQUESTS = re.compile("AccessDenied|Exceed|Invalid|NotFound|Throttl|Validation|LimitExceeded")
_SERVICE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/aws4_request")
_OPERATION = re.compile(r"/operation/(\w+)$")

_lock = threading.Lock()
_faults: list[Fault] = []


@dataclass
class Fault:
    """A fault of the next calls of an action.

    Attributes:
        service: The service's name in boto3 or in the request's signature: "secretsmanager".
        action: The API action, or for REST APIs the IAM action: "PutSecretValue", "InvokeFunction".
        times: The number of affected calls; `None` affects all calls until the faults are cleared.
        error: The error code. If empty, the calls succeed after the delay.
        status: The HTTP status of the response. Default: 400 for throttles, denials, and invalid or
            missing resources, else 500.
        after: Make the call, but return the error instead of its response.
        delay: Seconds to wait before the response. A caller with a shorter timeout gets no
            response; `after` decides whether the call is made.
        kill: Kill the processes of all running functions before the response, so that the calling
            function dies during its call. With `after`, the call is made first.
        match: Text that the request's path, query or body must contain, such as a name, or '"4711"'
            for calls to DynamoDB with this key.
        share: The probability that a call meets the fault.
        seed: The seed of the random generator for `share`.
        unprocessed: The number of items that a BatchWriteItem leaves out, from the first on, and
            returns as UnprocessedItems. `error` and its related attributes are ignored.
        partition_keys: With `unprocessed`, leave out only items with these partition keys. A batch
            without such an item does not meet the fault.
        met: The number of calls that met the fault.
    """

    service: str
    action: str
    times: int | None = 1
    error: str = "InternalServiceError"
    status: int | None = None
    after: bool = False
    delay: float = 0.0
    kill: bool = False
    match: str = ""
    share: float = 1.0
    seed: int = 0
    unprocessed: int = 0
    partition_keys: Sequence[str] = ()
    met: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        if self.partition_keys and not self.unprocessed:
            raise ValueError("partition_keys requires unprocessed.")

    def meets(self, service: str, action: str, text: str) -> bool:
        """Return whether a call meets the fault, and count the call if it does."""
        wanted = _SIGNING_NAMES.get(self.service, self.service)
        if (wanted, self.action) != (service, action) or self.match not in text:
            return False
        if self.times is not None and self.met >= self.times:
            return False
        if self._random.random() >= self.share:
            return False
        self.met += 1
        return True


def install() -> None:
    """Check that MiniStack has the attributes that this module uses."""
    patching.require(iam_actions, ["access_denied_response", "extract_iam_action"])
    patching.require(lambda_runtime, ["_lock", "_workers"])
    patching.require(router, ["detect_service"])


def inject(description: dict[str, Any]) -> int:
    """Add a fault, and return its index in `met`.

    Raises:
        TypeError: The description has unknown attributes.
    """
    fault = Fault(**description)
    with _lock:
        _faults.append(fault)
        return len(_faults) - 1


def clear() -> None:
    """Remove all faults."""
    with _lock:
        _faults.clear()


def met() -> list[int]:
    """Return the number of calls that met each fault."""
    with _lock:
        return [fault.met for fault in _faults]


def unprocessed(
    service: str, action: str, text: str, choose: Callable[[Fault], list[Any]]
) -> list[Any]:
    """Return the items that the first matching fault leaves unprocessed.

    Args:
        service: The service of the call.
        action: The action of the call.
        text: The content of the call.
        choose: A function that chooses the items of the call. A fault without items is not met.
    """
    with _lock:
        for fault in _faults:
            chosen = choose(fault) if fault.unprocessed else []
            if chosen and fault.meets(service, action, text):
                return chosen
    return []


def before(inner: Application) -> Application:
    """Wrap an application so that its calls meet the faults first."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if not _faults or scope["type"] != "http":
            await inner(scope, receive, send)
            return
        body = await read(receive)
        call = _Call(scope, body)
        fault = call.fault()

        async def again() -> Message:
            """Return the body again, then wait until the connection ends."""
            if call.given_out:
                return await receive()
            call.given_out = True
            return {"type": "http.request", "body": body, "more_body": False}

        if fault is None:
            await inner(scope, again, send)
            return
        if fault.after:
            await inner(scope, again, _withhold)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.kill:
            await asyncio.to_thread(_kill_functions)
        if not fault.error and not fault.after and not fault.kill:
            await inner(scope, again, send)
            return
        await call.refuse(fault, send)

    return serve


async def _withhold(message: Message) -> None:
    """Receive a response and store it."""


async def read(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


class _Call:
    """A request, with the attributes that faults match."""

    def __init__(self, scope: Message, body: bytes) -> None:
        self.given_out = False
        self._method, self._path = scope["method"], scope["path"]
        self._headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope.get("headers", [])
        }
        query = scope.get("query_string", b"").decode("latin-1")
        plain = body.decode("utf-8", "replace")
        self._parameters = parse_qs(query, keep_blank_values=True)
        if self._headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            self._parameters = {**parse_qs(plain), **self._parameters}
        self._body = body
        self._text = "\n".join([self._path, query, plain, unquote_plus(plain)])

    def fault(self) -> Fault | None:
        """Return the first fault that applies to this call."""
        signed = _SERVICE.search(self._headers.get("authorization", ""))
        if signed is None:
            return None
        action = self._action()
        with _lock:
            for fault in _faults:
                if not fault.unprocessed and fault.meets(signed.group(1), action, self._text):
                    return fault
        return None

    async def refuse(self, fault: Fault, send: Send) -> None:
        """Return the fault's error in the format of the service's protocol."""
        _, headers, body = iam_actions.access_denied_response(
            self._service(),
            fault.action,
            "",
            str(uuid.uuid4()),
            error_code=fault.error or "InternalServiceError",
            message=MESSAGE,
            headers=self._headers,
        )
        raw = [(name.encode(), str(value).encode()) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        status = fault.status or (400 if _BAD_REQUESTS.search(fault.error) else 500)
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _service(self) -> str:
        return str(router.detect_service(self._method, self._path, self._headers, self._parameters))

    def _action(self) -> str:
        target = self._headers.get("x-amz-target", "")
        if target:
            return target.rpartition(".")[2]
        if "Action" in self._parameters:
            return str(self._parameters["Action"][0])
        operation = _OPERATION.search(self._path)
        if operation:
            return str(operation.group(1))
        action = iam_actions.extract_iam_action(
            self._service(),
            self._method,
            self._path,
            self._headers,
            self._body,
            self._parameters,
        )
        return str(action or "").rpartition(":")[2]


def _kill_functions() -> None:
    """Kill the processes of the running functions."""
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        for worker in workers:
            if worker.in_use and worker._proc is not None:
                worker._proc.kill()


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Add a fault on POST, remove all on DELETE, and return `met` on GET."""
    if method == "DELETE":
        clear()
    elif method == "POST":
        try:
            return 200, {"number": inject(json.loads(content))}
        except (TypeError, ValueError) as error:
            return 400, {"error": str(error)}
    return 200, {"met": met()}
