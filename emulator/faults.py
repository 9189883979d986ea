"""Faults put in front of the API: errors, withheld answers, delays, and functions that die.

Nothing here corrects MiniStack; it lets a test see what becomes of a caller whose call fails. Items
that BatchWriteItem leaves unprocessed are chosen here and left out by `dynamodb`.

A fault is met by a call of one action of one service. Calls that AWS services make themselves, such
as the delivery of a log event to a function, do not pass here. An SDK repeats calls that fail with
a 5xx status or a throttle, and each attempt counts: botocore makes up to five of them in its
default mode.

The forms of errors are those of each protocol: AWS JSON has `__type` and `x-amzn-errortype`, AWS
query an `ErrorResponse` (Smithy documentation, "AWS protocols").
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

# boto3's names of services whose signatures have another.
_SIGNING_NAMES = {"cloudwatch": "monitoring", "stepfunctions": "states"}
# What AWS answers with 400, of the errors that a caller does not make himself.
_BAD_REQUESTS = re.compile("AccessDenied|Exceed|Invalid|NotFound|Throttl|Validation|LimitExceeded")
_SERVICE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/aws4_request")
_OPERATION = re.compile(r"/operation/(\w+)$")

_lock = threading.Lock()
_faults: list[Fault] = []


@dataclass
class Fault:
    """What happens to the next calls of an action.

    Attributes:
        service: The service, as boto3 or its signature names it: "secretsmanager".
        action: The API's action, or IAM's in REST APIs: "PutSecretValue", "InvokeFunction".
        times: How many calls; `None` is all until the faults are cleared.
        error: The code of the error. With an empty one, the calls are made and answered after the
            delay.
        status: The HTTP status of the answer. By default 400 for throttles, denials and what is
            invalid or not found, else 500.
        after: Make the call, and withhold its answer: the caller sees the error.
        delay: Seconds to wait before the answer. A caller that waits for less has no answer;
            whether the call is made, `after` says.
        kill: Kill the processes of all functions at work before the answer, so that a function that
            calls dies with its call under way. Together with `after`, once it is made.
        match: Text that the request's path, query or body must have, such as a name, or '"4711"'
            for calls to DynamoDB with this key.
        share: The probability with which a call meets the fault.
        seed: The start of the generator that decides by `share`.
        unprocessed: Of a BatchWriteItem, make the call without its first so many items, and give
            these back as UnprocessedItems; `error` and what goes with it has no meaning.
        partition_keys: With `unprocessed`, choose only items with one of these partition keys. A
            batch without any does not meet the fault.
        met: How many calls have met it.
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
            raise ValueError("partition_keys go with unprocessed only.")

    def meets(self, service: str, action: str, text: str) -> bool:
        """Say whether a call meets it, and count that."""
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
    """Check that MiniStack has what is called here."""
    patching.require(iam_actions, ["access_denied_response", "extract_iam_action"])
    patching.require(lambda_runtime, ["_lock", "_workers"])
    patching.require(router, ["detect_service"])


def inject(description: dict[str, Any]) -> int:
    """Add a fault, and return its place in `met`.

    Raises:
        TypeError: The description has other members than a fault.
    """
    fault = Fault(**description)
    with _lock:
        _faults.append(fault)
        return len(_faults) - 1


def clear() -> None:
    """Forget every fault."""
    with _lock:
        _faults.clear()


def met() -> list[int]:
    """Return how many calls met each fault."""
    with _lock:
        return [fault.met for fault in _faults]


def unprocessed(
    service: str, action: str, text: str, choose: Callable[[Fault], list[Any]]
) -> list[Any]:
    """Return the items that the first fault which a call meets leaves unprocessed.

    Args:
        service: The service of the call.
        action: Its action.
        text: Its content.
        choose: Chooses the items of the call; a fault that gets none is not met.
    """
    with _lock:
        for fault in _faults:
            chosen = choose(fault) if fault.unprocessed else []
            if chosen and fault.meets(service, action, text):
                return chosen
    return []


def before(inner: Application) -> Application:
    """Return an application whose calls meet the faults first."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if not _faults or scope["type"] != "http":
            await inner(scope, receive, send)
            return
        body = await read(receive)
        call = _Call(scope, body)
        fault = call.fault()

        async def again() -> Message:
            """Give the body out again, and then wait for the end of the connection."""
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
    """Receive an answer and keep it."""


async def read(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


class _Call:
    """A request as the faults see it."""

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
        """Return the first fault that this call meets."""
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
        """Answer with the fault's error in the form of the service's protocol."""
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
    """Kill the processes of the functions that are at work."""
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        for worker in workers:
            if worker.in_use and worker._proc is not None:
                worker._proc.kill()


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Answer POST by adding a fault, DELETE by forgetting all, and GET with `met`."""
    if method == "DELETE":
        clear()
    elif method == "POST":
        try:
            return 200, {"number": inject(json.loads(content))}
        except (TypeError, ValueError) as error:
            return 400, {"error": str(error)}
    return 200, {"met": met()}
