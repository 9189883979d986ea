from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import EndpointConnectionError

from openreplay_cw_stack.commands.check.findings import Finding, guarded, ok
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.openreplay.http_calls import Unreachable
from tests.commands.check.support import refusal

DENIED = (
    "User: arn:aws:iam::1:user/me is not authorized to perform: logs:FilterLogEvents on resource: x"
)


def step(error: Exception) -> Iterator[Finding]:
    yield ok("step", "first")
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal("FilterLogEvents", "AccessDeniedException", DENIED), "logs:FilterLogEvents"),
        (refusal("ListAccessKeys", "AccessDenied", ""), "ListAccessKeys"),
        (refusal("GetQueueAttributes", "QueueDoesNotExist"), "ended with QueueDoesNotExist"),
        (EndpointConnectionError(endpoint_url="https://x"), "EndpointConnectionError"),
        (CommandFailed("the template is not JSON"), "the template is not JSON"),
        (Unreachable("host did not answer"), "host did not answer"),
    ],
)
def test_an_error_ends_one_step_with_one_finding_more(error: Exception, said: str) -> None:
    first, last = guarded("step", step(error))
    assert first.detail == "first"
    assert (last.name, last.status.value) == ("step", "fail")
    assert said in last.detail


def test_a_missing_permission_is_named_in_the_remedy() -> None:
    *_, last = guarded("x", step(refusal("FilterLogEvents", "AccessDeniedException", DENIED)))
    assert last.remedy == "Allow logs:FilterLogEvents for the credentials that run this command."


def test_a_fault_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        list(guarded("step", step(ZeroDivisionError())))
