"""AWS Lambda's own runtime, with a redirected handler.

``python lambda_runtime.py FOLDER TOKEN ...``

One event a token ("" for none), in one process as it stays warm. Prints the runtime's log events as
JSON. ``AWS_LAMBDA_LOG_FORMAT`` is the function's log format.
"""

import json
import os
import sys
import threading
from pathlib import Path

from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

sys.path[:0] = [str(Path(__file__).parents[4]), sys.argv[1]]

HANDLER = "openreplay_cw_stack.tagging.propagation.aws_lambda_redirect.handler"


class Client:
    """The runtime API; takes what the function answers."""

    marshaller = LambdaMarshaller()

    def post_invocation_error(self, *args):
        pass

    def post_invocation_result(self, *args):
        pass


def frames(data):
    """The messages in frames of four bytes type, four length, eight time."""
    while data:
        length = int.from_bytes(data[4:8], "big")
        yield data[16 : 16 + length].decode()
        data = data[16 + length :]


def main():
    reading, writing = os.pipe()
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(writing)
    received = []
    reader = threading.Thread(target=lambda: received.append(open(reading, "rb").read()))
    reader.start()
    with bootstrap.create_log_sink() as sink:
        bootstrap._setup_logging(bootstrap._AWS_LAMBDA_LOG_FORMAT, "", sink)
        # As the runtime replaces both at its start.
        sys.stdout = bootstrap.Unbuffered(sys.stdout)
        sys.stderr = bootstrap.Unbuffered(sys.stderr)
        handler = bootstrap._get_handler(HANDLER)
        for token in sys.argv[2:]:
            event = {"headers": {"x-openreplay-sessiontoken": token}}
            body = json.dumps(event).encode()
            arguments = [Client(), handler, "id", body, "application/json", None, None, "arn"]
            bootstrap.handle_event_request(*arguments, 0, None, sink)
    reader.join()
    print(json.dumps(list(frames(received[0]))))


main()
