from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    create_function,
    create_group,
    delete_stack,
    deploy,
    failure_reasons,
    lines_of,
    name_of,
    now,
    outputs,
    put,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def find(aws: Emulator, group: str, **arguments: Any) -> list[str]:
    events = aws.client("logs").filter_log_events(logGroupName=group, **arguments)["events"]
    return [event["message"] for event in events]


def test_unknown_groups_and_streams(aws: Emulator) -> None:
    group = create_group(aws)
    logs = aws.client("logs")
    event = {"timestamp": now(), "message": "m"}
    for place in ({"logGroupName": "none"}, {"logStreamName": "none"}):
        arguments = {"logGroupName": group, "logStreamName": "stream", **place}
        with pytest.raises(ClientError) as error:
            logs.put_log_events(**arguments, logEvents=[event])
        assert code(error) == "ResourceNotFoundException"
    with pytest.raises(ClientError) as error:
        logs.filter_log_events(logGroupName="none")
    assert code(error) == "ResourceNotFoundException"


def test_filter_patterns_are_those_of_aws(aws: Emulator) -> None:
    group = create_group(aws)
    put(aws, group, "Error one", "error two", "warning")
    assert find(aws, group, filterPattern="error") == ["error two"]
    assert find(aws, group, filterPattern="?Error ?warning") == ["Error one", "warning"]
    assert find(aws, group, filterPattern="%[eE]rror% -two") == ["Error one"]
    for pattern in ("a-b", "{ $.a = 1 }"):
        with pytest.raises(ClientError, match="Invalid filter pattern") as error:
            find(aws, group, filterPattern=pattern)
        assert code(error) == "InvalidParameterException"


def test_times_are_inclusive_and_streams_are_selected(aws: Emulator) -> None:
    group = create_group(aws)
    logs = aws.client("logs")
    start = now()
    for offset in range(4):
        put(aws, group, f"m{offset}", timestamp=start + offset)
    logs.create_log_stream(logGroupName=group, logStreamName="other")
    logs.put_log_events(
        logGroupName=group,
        logStreamName="other",
        logEvents=[{"timestamp": start + 1, "message": "other"}],
    )
    assert find(aws, group, startTime=start + 1, endTime=start + 2) == ["m1", "other", "m2"]
    assert find(aws, group, logStreamNames=["other"]) == ["other"]


def test_pages(aws: Emulator) -> None:
    group = create_group(aws)
    start = now()
    for offset in range(5):
        put(aws, group, f"m{offset}", timestamp=start + offset)
    paginator = aws.client("logs").get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=group, limit=2))
    assert [len(page["events"]) for page in pages] == [2, 2, 1]
    messages = [event["message"] for page in pages for event in page["events"]]
    assert messages == ["m0", "m1", "m2", "m3", "m4"]


def test_a_page_may_be_empty_or_end_at_a_megabyte(aws: Emulator) -> None:
    group = create_group(aws)
    start = now()
    put(aws, group, *["other"] * 10_000, timestamp=start)
    put(aws, group, *["wanted" + "x" * 600_000] * 2, timestamp=start + 1)
    paginator = aws.client("logs").get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=group, filterPattern="wanted"))
    assert [len(page["events"]) for page in pages] == [0, 1, 1]


def test_event_ids_order_by_time_and_arrival(aws: Emulator) -> None:
    group = create_group(aws)
    put(aws, group, "b", "c")
    put(aws, group, "a", timestamp=1_432_826_855_000)
    events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    assert [event["message"] for event in events] == ["a", "b", "c"]
    ids = [event["eventId"] for event in events]
    assert ids == sorted(set(ids))
    # The id of an event of that time in AWS's documentation.
    assert ids[0][:12] == "31953106606966983378809025079804211143289615424298221568"[:12]


@pytest.mark.parametrize("arguments", [{"startFromHead": False}, {"logStreamNamePrefix": "s"}])
def test_invalid_requests(aws: Emulator, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        find(aws, create_group(aws), **arguments)
    assert code(error) == "InvalidParameterException"


def test_infrequent_access_groups_cannot_be_filtered(aws: Emulator) -> None:
    group = create_group(aws, logGroupClass="INFREQUENT_ACCESS")
    put(aws, group, "m")
    with pytest.raises(ClientError, match="Infrequent Access") as error:
        find(aws, group)
    assert code(error) == "InvalidParameterException"


def test_what_a_function_prints_has_ids_and_no_empty_lines(aws: Emulator) -> None:
    source = "def handler(event, context):\n    print('first\\n\\nlast')"
    function = create_function(aws, source)
    aws.client("lambda").invoke(FunctionName=function)
    group = f"/aws/lambda/{name_of(function)}"
    events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    messages = [event["message"].split()[0] for event in events]
    assert messages == ["START", "first", "last", "END", "REPORT"]
    ids = [event["eventId"] for event in events]
    assert ids == sorted(set(ids))
    assert all(len(identifier) == 56 for identifier in ids)


def test_output_belongs_to_the_invocation_that_printed_it(aws: Emulator) -> None:
    # More than a pipe holds: it arrives in pieces, around the answer.
    source = """
import sys
def handler(event, context):
    for line in range(3000):
        print(event, line, "x" * 80)
    sys.stderr.write("unfinished")
"""
    function = create_function(aws, source)
    for number in (1, 2):
        aws.client("lambda").invoke(FunctionName=function, Payload=str(number))
    printed = [line for line in lines_of(aws, function) if line[:1] in "12u"]
    assert [line.split()[:2] for line in printed] == [
        *(["1", f"{line}"] for line in range(3000)),
        ["unfinished"],
        *(["2", f"{line}"] for line in range(3000)),
        ["unfinished"],
    ]


def test_a_handler_that_raises_is_one_log_event_and_its_process_goes_on(aws: Emulator) -> None:
    source = """
import os
def handler(event, context):
    if event:
        raise KeyError("no stock left")
    return os.getpid()
"""
    function, functions = create_function(aws, source), aws.client("lambda")
    first = functions.invoke(FunctionName=function, Payload="0")["Payload"].read()
    answer = functions.invoke(FunctionName=function, Payload="1")
    assert answer["FunctionError"] == "Unhandled"
    assert b"no stock left" in answer["Payload"].read()
    (report,) = [line for line in lines_of(aws, function) if "[ERROR]" in line]
    head, traceback, *frames = report.split("\n")
    assert head == "[ERROR] KeyError: 'no stock left'"
    assert traceback == "Traceback (most recent call last):"
    assert frames[0].endswith("in handler")
    assert functions.invoke(FunctionName=function, Payload="0")["Payload"].read() == first


def log_group(**properties: Any) -> dict[str, Any]:
    return {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}


def test_a_stack_never_takes_over_an_existing_group(aws: Emulator) -> None:
    group, stack = create_group(aws), unique("stack")
    put(aws, group, "precious")
    assert deploy(aws, stack, log_group(LogGroupName=group))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exists" in failure_reasons(aws, stack)
    assert find(aws, group) == ["precious"]


def test_a_group_without_a_name_gets_one_that_stays(aws: Emulator) -> None:
    stack = unique("stack")
    name = outputs(deploy(aws, stack, log_group()))["GroupRef"]
    assert name.startswith(f"{stack}-Group-")
    aws.client("logs").create_log_stream(logGroupName=name, logStreamName="stream")
    put(aws, name, "kept")
    updated = deploy(aws, stack, log_group(RetentionInDays=30))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert outputs(updated)["GroupRef"] == name
    assert find(aws, name) == ["kept"]
    delete_stack(aws, stack)
    assert aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []
    # A retained group would not stand in the way of the next deployment.
    again = outputs(deploy(aws, stack, log_group()))["GroupRef"]
    assert again.startswith(f"{stack}-Group-")
    assert again != name


def test_renaming_a_group_replaces_it(aws: Emulator) -> None:
    stack, name = unique("stack"), unique("named")
    deploy(aws, stack, log_group(LogGroupName=name))
    generated = outputs(deploy(aws, stack, log_group()))["GroupRef"]
    assert generated.startswith(f"{stack}-Group-")
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)
    wait_for(lambda: not groups["logGroups"])
