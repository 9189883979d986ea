from __future__ import annotations

import json

import pytest

from emulator import Emulator
from tests.emulator.support import create_function, lines_of, wait_for

pytestmark = pytest.mark.emulator

RAISES = """
import os, traceback
format_list = traceback.format_list
traceback.format_list = lambda frames: ["(replaced) " + one for one in format_list(frames)]

def handler(event, context):
    print("begins")
    if event["raise"]:
        raise KeyError("no stock\\nleft")
    return os.getpid()
"""


def invoke(aws: Emulator, function: str, raising: bool) -> tuple[str | None, object]:
    answer = aws.client("lambda").invoke(
        FunctionName=function, Payload=json.dumps({"raise": raising})
    )
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_a_handler_that_raises(aws: Emulator) -> None:
    function = create_function(aws, RAISES)
    first = invoke(aws, function, False)
    error, said = invoke(aws, function, True)
    assert error == "Unhandled"
    assert isinstance(said, dict)
    assert said["errorMessage"] == "'no stock\\nleft'"

    lines = wait_for(lambda: [one for one in lines_of(aws, function) if "[ERROR]" in one])
    (report,) = lines
    head, traceback, *frames = report.split("\n")
    assert head == "[ERROR] KeyError: 'no stock\\nleft'"
    assert traceback == "Traceback (most recent call last):"
    assert frames[0].startswith("(replaced)   File")
    assert frames[0].endswith("in handler")
    assert len(frames) == 2
    # The same process goes on.
    assert invoke(aws, function, False) == first
