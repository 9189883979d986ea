from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import create_group

pytestmark = pytest.mark.emulator


def selected(aws: Emulator, pattern: str, *messages: str) -> list[tuple[int, str]]:
    answer: dict[str, Any] = aws.client("logs").test_metric_filter(
        filterPattern=pattern, logEventMessages=messages
    )
    return [(one["eventNumber"], one["eventMessage"]) for one in answer["matches"]]


def test_the_messages_that_match_have_their_numbers(aws: Emulator) -> None:
    assert selected(aws, "%[eE]rror%", "an error", "fine", "Error") == [
        (1, "an error"),
        (3, "Error"),
    ]
    assert selected(aws, '"x"', "y") == []


def test_what_is_refused(aws: Emulator) -> None:
    for pattern, messages in (("%(a)%", ["a"]), ("a", ["a"] * 51)):
        with pytest.raises(ClientError) as refused:
            selected(aws, pattern, *messages)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


def test_other_actions_go_on(aws: Emulator) -> None:
    assert create_group(aws)
