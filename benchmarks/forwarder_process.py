"""Runs a peer's log forwarder in a separate process: its whole handler, up to the request.

Run it with the Python that has the peer's packages: ``python -m benchmarks.forwarder_process PEER
CHECKOUT``. It reads JSON documents from standard input, one per line. For an event, it runs the
handler once and prints the number of records in the finished requests. For ``null``, it prints the
CPU seconds of the floor and of the handler for the previous event.

Nothing is sent. HTTP requests are intercepted where the peer's own HTTP client would send a
finished and compressed body, and requests to AWS where botocore would send a finished and signed
request. The responses are minimal, so reading them takes almost no time.

Every choice of settings favours the peer. Datadog's key comes from the environment, not from
Secrets Manager, and its library for traces is left out. Its other settings are those of its
CloudFormation template. Compressing the requests makes up about a third of its ratio: without
compression the ratio is 6.5 to 8.3, at 500 and 5000 lines and 100 % tagged. Elastic's configuration
is the minimum in its documentation. It joins the lines of a stack trace (``multiline``), so that a
log event is one record. By default each line of a stack trace is a separate record, and the ratio
was 65 to 155 instead of 21 to 68. Elastic's forwarder reads its configuration and creates its
clients for every payload.
"""

from __future__ import annotations

import base64
import gzip
import importlib
import io
import json
import os
import sys
import types
from collections.abc import Callable
from typing import IO, Any

from benchmarks.measuring import cpu_seconds

_CONFIGURATION = b"""
inputs:
  - type: cloudwatch-logs
    id: arn:aws:logs:eu-central-1:123456789012:log-group:/app/checkout:*
    multiline:
      type: pattern
      pattern: '^(\\[openReplay|\\d{4}-\\d\\d-\\d\\d|\\{)'
      negate: true
      match: after
    outputs:
      - type: elasticsearch
        args:
          elasticsearch_url: https://elasticsearch.example:9200
          api_key: benchmark
          es_datastream_name: logs-generic-default
"""
_QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/"
_ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "token",
    "AWS_LAMBDA_FUNCTION_NAME": "forwarder",
}
_DATADOG_ENVIRONMENT = {
    "DD_API_KEY": "0" * 32,
    "DD_TRACE_ENABLED": "false",
    "DD_ENHANCED_METRICS": "false",
}
_ELASTIC_ENVIRONMENT = {
    "S3_CONFIG_FILE": "s3://forwarder/config.yaml",
    "SQS_REPLAY_URL": _QUEUE + "replay",
    "SQS_CONTINUE_URL": _QUEUE + "continue",
}

Handler = Callable[[dict[str, Any]], object]


class Context:
    """The attributes of Lambda's context that the peers read."""

    function_name = "forwarder"
    client_context = None
    function_version = "$LATEST"
    memory_limit_in_mb = 1024
    aws_request_id = "8f7c9b1e-7f0a-4a57-9d3c-1b1f2e3d4c5b"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:forwarder"

    def get_remaining_time_in_millis(self) -> int:
        """Return fifteen minutes, the maximum timeout of a function."""
        return 900_000


class NoTraces:
    """Replaces Datadog's connection for traces, whose Go library is not in the checkout."""

    def __init__(self, *_: object) -> None:
        """Load nothing, because the payloads have no traces."""


def datadog(bodies: list[bytes]) -> Handler:
    """Return Datadog's handler.

    Args:
        bodies: receives the finished bodies.
    """
    os.environ.update(_DATADOG_ENVIRONMENT)
    requests = importlib.import_module("requests")

    def send(_adapter: object, request: Any, **_: object) -> Any:
        if request.url.endswith("/api/v2/logs"):
            bodies.append(request.body)
        response = requests.Response()
        response.status_code = 202
        response.url = request.url
        response.request = request
        response.raw = io.BytesIO(b"{}")
        return response

    requests.adapters.HTTPAdapter.send = send
    traces = types.ModuleType("trace_forwarder.connection")
    traces.TraceConnection = NoTraces  # type: ignore[attr-defined]
    sys.modules[traces.__name__] = traces
    handler = importlib.import_module("lambda_function").lambda_handler
    return lambda event: handler(event, Context())


def elastic(bodies: list[bytes]) -> Handler:
    """Return Elastic's handler.

    Args:
        bodies: receives the finished bodies.
    """
    os.environ.update(_ELASTIC_ENVIRONMENT)
    _answer_aws(_CONFIGURATION)
    urllib3 = importlib.import_module("urllib3")
    headers = {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}
    about = json.dumps({"version": {"number": "7.17.13"}, "tagline": "You Know, for Search"})
    taken = b'{"errors":false,"items":[]}'

    def urlopen(
        _pool: object, _method: str, url: str, body: bytes | None = None, **_: object
    ) -> Any:
        if url.endswith("/_bulk"):
            bodies.append(body or b"")
        answer = taken if body else about.encode()
        return urllib3.HTTPResponse(body=answer, status=200, headers=headers)

    urllib3.HTTPConnectionPool.urlopen = urlopen
    handler = importlib.import_module("main_aws").handler
    return lambda event: handler(event, Context())


def _answer_aws(content: bytes) -> None:
    boto3 = importlib.import_module("boto3")
    response = importlib.import_module("botocore.awsrequest").AWSResponse

    class Raw(io.BytesIO):
        def stream(self) -> list[bytes]:
            return [self.read()]

    def take(request: Any, **_: object) -> Any:
        return response(request.url, 200, {"Content-Length": str(len(content))}, Raw(content))

    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-send", take)


PEERS: dict[str, tuple[str, Callable[[list[bytes]], Handler]]] = {
    "datadog": ("aws/logs_monitoring", datadog),
    "elastic": ("", elastic),
}
"""The folder of the function within the checkout and the function that imports it, by name."""


def main(peer: str, checkout: str) -> None:
    """Handle the documents on standard input."""
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    folder, imported = PEERS[peer]
    os.environ.update(_ENVIRONMENT)
    sys.path.insert(0, os.path.join(checkout, folder))
    bodies: list[bytes] = []
    _serve(imported(bodies), bodies, answers)


def _serve(handler: Handler, bodies: list[bytes], answers: IO[str]) -> None:
    event: dict[str, Any] = {}

    def floor() -> object:
        return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))

    def forward() -> None:
        bodies.clear()
        handler(event)

    for line in sys.stdin:
        asked = json.loads(line)
        if asked is None:
            answer: object = {
                "floor": cpu_seconds(floor, rounds=1),
                "forwarder": cpu_seconds(forward, rounds=1),
            }
        else:
            event = asked
            forward()
            answer = _records(bodies)
        print(json.dumps(answer), file=answers, flush=True)


def _records(bodies: list[bytes]) -> int:
    """Return the number of records: items of Datadog's array, pairs of lines of Elastic's bulk."""
    records = 0
    for body in bodies:
        text = gzip.decompress(body)
        records += len(json.loads(text)) if text.startswith(b"[") else text.count(b"\n") // 2
    return records


if __name__ == "__main__":
    main(*sys.argv[1:])
