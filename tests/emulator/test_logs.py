from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
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

DAY = 24 * 60 * 60 * 1000


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def find(aws: Emulator, group: str, **arguments: Any) -> list[str]:
    events = aws.client("logs").filter_log_events(logGroupName=group, **arguments)["events"]
    return [event["message"] for event in events]


def test_rejected_events_are_named_and_not_stored(aws: Emulator) -> None:
    group = create_group(aws)
    logs = aws.client("logs")
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    stamps = [now() - 15 * DAY, now() - 2 * DAY, now(), now() + DAY]
    answer = logs.put_log_events(
        logGroupName=group,
        logStreamName="stream",
        logEvents=[{"timestamp": stamp, "message": f"{stamp}"} for stamp in stamps],
    )
    assert answer["rejectedLogEventsInfo"] == {
        "tooNewLogEventStartIndex": 3,
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 2,
    }
    assert find(aws, group) == [str(stamps[2])]


def test_a_bad_batch_is_an_invalid_parameter_and_stores_nothing(aws: Emulator) -> None:
    group = create_group(aws)
    with pytest.raises(ClientError, match="chronological") as error:
        aws.client("logs").put_log_events(
            logGroupName=group,
            logStreamName="stream",
            logEvents=[
                {"timestamp": now(), "message": "a"},
                {"timestamp": now() - 1000, "message": "b"},
            ],
        )
    assert code(error) == "InvalidParameterException"
    assert find(aws, group) == []


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
        logs.filter_log_events(logGroupName=group, logStreamNames=["none"])
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


@pytest.mark.parametrize(
    "arguments", [{"nextToken": "none"}, {"startFromHead": False}, {"logStreamNamePrefix": "s"}]
)
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
