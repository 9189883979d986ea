"""The two calls of CloudWatch Logs that the validator makes, without boto3 around them.

Making a boto3 client takes longer than everything else in a cold start, and its serialiser takes
longer for a line than everything else that is done to one. So the body of a request is put
together here, and botocore signs and sends it. Endpoints, proxies, certificates, and what is
repeated after which pause, are botocore's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence

from openreplay_cw_stack.runtime.aws_calls import aws_client, error_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

ATTEMPTS = 5
BOTO3_ATTEMPTS = 3
CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 20
LONGEST_CALL_SECONDS = 20
"""No attempt begins later than this after the first: there must be time left to park the lines."""

# What else can say where requests go, or by whom they are signed. boto3 knows it all.
_SETTINGS_FOR_BOTO3 = (
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)


class CallRefused(Exception):
    """CloudWatch Logs answered with an error. Its shape is botocore's, its message the code."""

    def __init__(self, code: str, answer: Any) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}
        self.answer = answer


class LogsClient(Protocol):
    """The two calls. Both raise what botocore does, or :class:`CallRefused`."""

    def create_stream(self, log_group: str, stream: str) -> None:
        """CreateLogStream."""

    def put_messages(
        self, log_group: str, stream: str, messages: Sequence[str], timestamp: int
    ) -> dict[str, Any]:
        """PutLogEvents, with one timestamp for all messages, in milliseconds since 1970."""


def logs_client(environment: Mapping[str, str] = os.environ) -> LogsClient:
    """A client of CloudWatch Logs.

    In Lambda, where region and credentials are in the environment, one of ours; elsewhere boto3's.
    """
    region = environment.get("AWS_DEFAULT_REGION")
    has_keys = environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY")
    if not region or not has_keys or any(map(environment.get, _SETTINGS_FOR_BOTO3)):
        return ClientOfBoto3(
            aws_client(
                "logs",
                # Its time cannot be bounded otherwise.
                attempts=BOTO3_ATTEMPTS,
                read_timeout=READ_TIMEOUT_SECONDS,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
            )
        )
    return SigningClient(region, endpoint_url(region, environment), environment=environment)


def endpoint_url(region: str, environment: Mapping[str, str]) -> str:
    """Where CloudWatch Logs is: as configured, or by the region's partition."""
    # AWS SDKs and Tools Reference Guide, "Identifiers for service-specific endpoints".
    of_service = environment.get("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS")
    configured = of_service or environment.get("AWS_ENDPOINT_URL")
    return configured or f"https://logs.{region}.{_dns_suffix(region)}"


def _dns_suffix(region: str) -> str:
    import re

    from botocore.loaders import Loader

    partitions: list[dict[str, Any]] = Loader().load_data("partitions")["partitions"]
    for partition in partitions:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            return str(partition["outputs"]["dnsSuffix"])
    return str(partitions[0]["outputs"]["dnsSuffix"])


class ClientOfBoto3:
    """CloudWatch Logs as boto3 calls it."""

    def __init__(self, client: Any) -> None:
        """Take boto3's client."""
        self._client = client

    def create_stream(self, log_group: str, stream: str) -> None:
        """CreateLogStream."""
        self._client.create_log_stream(logGroupName=log_group, logStreamName=stream)

    def put_messages(
        self, log_group: str, stream: str, messages: Sequence[str], timestamp: int
    ) -> dict[str, Any]:
        """PutLogEvents."""
        events = [{"timestamp": timestamp, "message": message} for message in messages]
        response: dict[str, Any] = self._client.put_log_events(
            logGroupName=log_group, logStreamName=stream, logEvents=events
        )
        return response


class SigningClient:
    """CloudWatch Logs in one region; its answers and errors are those of boto3's client."""

    def __init__(
        self,
        region: str,
        url: str,
        *,
        environment: Mapping[str, str] = os.environ,
        session: Any = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A client for one endpoint; it connects with the first call.

        Args:
            region: that requests are signed for.
            url: of the endpoint.
            environment: has the credentials, which are read for every attempt.
            session: sends requests as ``botocore.httpsession.URLLib3Session`` does, the default.
            pause: waits for as many seconds.
            clock: seconds since whenever.
        """
        self._region = region
        self._url = f"{url.rstrip('/')}/"
        self._environment = environment
        self._session = session or _http_session(url, environment)
        self._pause = pause
        self._clock = clock

    def create_stream(self, log_group: str, stream: str) -> None:
        """CreateLogStream."""
        document = {"logGroupName": log_group, "logStreamName": stream}
        self._call("CreateLogStream", json.dumps(document).encode())

    def put_messages(
        self, log_group: str, stream: str, messages: Sequence[str], timestamp: int
    ) -> dict[str, Any]:
        """PutLogEvents."""
        return self._call(
            "PutLogEvents", put_log_events_body(log_group, stream, messages, timestamp)
        )

    def _call(self, operation: str, body: bytes) -> dict[str, Any]:
        latest = self._clock() + LONGEST_CALL_SECONDS
        for failures in range(1, ATTEMPTS):
            try:
                return self._attempt(operation, body)
            except Exception as error:
                pause = _pause_seconds(failures)
                if not _is_repeated(error) or self._clock() + pause > latest:
                    raise
            self._pause(pause)
        return self._attempt(operation, body)

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        answer = self._session.send(self._signed(operation, body))
        document = _document(answer.content)
        if answer.status_code == 200:
            return document
        code = str(document.get("__type") or answer.status_code).rsplit("#", 1)[-1]
        raise CallRefused(code, answer)

    def _signed(self, operation: str, body: bytes) -> Any:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Logs_20140328.{operation}",
            "User-Agent": "openreplay-cw-stack",
        }
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        credentials = Credentials(
            self._environment["AWS_ACCESS_KEY_ID"],
            self._environment["AWS_SECRET_ACCESS_KEY"],
            self._environment.get("AWS_SESSION_TOKEN"),
        )
        SigV4Auth(credentials, "logs", self._region).add_auth(request)
        return request.prepare()


def put_log_events_body(
    log_group: str, stream: str, messages: Sequence[str], timestamp: int
) -> bytes:
    """The body of a PutLogEvents request.

    Args:
        log_group: the log group's name.
        stream: the log stream's name.
        messages: as encoded linked lines are, without any control character.
        timestamp: that of each, in milliseconds since 1970.
    """
    names = json.dumps({"logGroupName": log_group, "logStreamName": stream})[1:-1].encode()
    begin = f'{{"timestamp":{timestamp},"message":"'.encode()
    # By the hundred, since many large buffers cost more than what is done in them.
    events = [
        _events(messages[first : first + 100], begin) for first in range(0, len(messages), 100)
    ]
    return b"".join([b"{", names, b',"logEvents":[', b",".join(events), b"]}"])


def _events(messages: Sequence[str], begin: bytes) -> bytes:
    between = b'"},' + begin
    escaped = "\n".join(messages).encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    events = escaped.replace(b"\n", between)
    # A line break in a message would make two of it.
    if len(events) - len(escaped) != (len(messages) - 1) * (len(between) - 1):
        return b",".join(begin[:-1] + json.dumps(message).encode() + b"}" for message in messages)
    return begin + events + b'"}'


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_repeated(error: Exception) -> bool:
    """Whether botocore's standard mode repeats a call after this."""
    from botocore.retries import standard

    refused = isinstance(error, CallRefused)
    context = standard.RetryContext(
        attempt_number=1,
        parsed_response={"Error": {"Code": error_code(error)}} if refused else None,
        http_response=getattr(error, "answer", None),
        caught_exception=None if refused else error,
    )
    checkers = (standard.TransientRetryableChecker(), standard.ThrottledRetryableChecker())
    return any(checker.is_retryable(context) for checker in checkers)


def _pause_seconds(failures: int) -> float:
    """Up to a second after the first failure, twice as long after each further one."""
    import random

    longest: float = min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)
    return random.random() * longest  # noqa: S311


def _http_session(url: str, environment: Mapping[str, str]) -> Any:
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    return URLLib3Session(
        verify=environment.get("AWS_CA_BUNDLE") or environment.get("REQUESTS_CA_BUNDLE") or True,
        proxies=get_environ_proxies(url),
        timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        max_pool_connections=1,
    )
