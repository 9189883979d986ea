from __future__ import annotations

import json
import re

import pytest

from emulator import Emulator
from tests.emulator.support import (
    create_function,
    create_queue,
    lines_of,
    receive,
    wait_for,
)
from tests.emulator.test_asynchronous_invocation import configure, count, invoke, to

pytestmark = pytest.mark.emulator

HANGING = """
import time
def handler(event, context):
    print("REMAINING", context.get_remaining_time_in_millis())
    if event.get("hang"):
        print("LAST WORDS")
        time.sleep(60)
    return "done"
"""


def test_a_function_over_its_timeout_is_killed(aws: Emulator) -> None:
    function, functions = create_function(aws, HANGING, timeout=1), aws.client("lambda")
    answer = functions.invoke(FunctionName=function, Payload=json.dumps({"hang": True}))
    assert answer["FunctionError"] == "Unhandled"
    error = json.load(answer["Payload"])
    assert error["errorType"] == "Sandbox.Timedout"
    found = re.fullmatch(
        r"RequestId: (\S+) Error: Task timed out after 1.00 seconds", error["errorMessage"]
    )
    assert found
    lines = lines_of(aws, function)
    assert "LAST WORDS" in lines
    line = rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z {found[1]} Task timed out after 1.00 seconds"
    assert sum(bool(re.fullmatch(line, one)) for one in lines) == 1
    assert count(aws, function, "Errors") == 1
    # The next invocation has a new process and all of its time.
    answer = functions.invoke(FunctionName=function, Payload="{}")
    assert json.load(answer["Payload"]) == "done"
    remaining = [int(one.split()[1]) for one in lines_of(aws, function) if one[:4] == "REMA"]
    assert all(0 < milliseconds <= 1000 for milliseconds in remaining)


def test_a_timeout_is_retried_like_an_error(aws: Emulator) -> None:
    function, (url, queue) = create_function(aws, HANGING, timeout=1), create_queue(aws)
    configure(aws, function, MaximumRetryAttempts=1, DestinationConfig=to(queue))
    invoke(aws, function, {"hang": True})
    record = json.loads(receive(aws, url)["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"]["errorType"] == "Sandbox.Timedout"
    wait_for(lambda: lines_of(aws, function).count("LAST WORDS") == 2)
