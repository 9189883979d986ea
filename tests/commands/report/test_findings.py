from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.report.findings import Step, guarded, guarded_call, ok, skip
from openreplay_cw_stack.openreplay.http_calls import Unreachable
from tests.commands.support import outcome, refusal, statuses

DENIED = (
    "User: arn:aws:iam::1:user/me is not authorized to perform: logs:FilterLogEvents on resource: x"
)


def step(error: Exception) -> Step[None]:
    yield ok("step", "first")
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal("FilterLogEvents", "AccessDeniedException", DENIED), "logs:FilterLogEvents"),
        (refusal("ListAccessKeys", "AccessDenied", ""), "ListAccessKeys"),
        (refusal("GetQueueAttributes", "QueueDoesNotExist"), "ended with QueueDoesNotExist"),
        (refusal("GetUser", "Throttling"), "AWS throttles GetUser"),
        (EndpointConnectionError(endpoint_url="https://x"), "this machine cannot reach AWS"),
        (ReadTimeoutError(endpoint_url="https://x"), "this machine cannot reach AWS"),
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
    assert last.remedy == "Allow logs:FilterLogEvents for the credentials of this command."


def test_a_missing_permission_can_be_no_failure() -> None:
    denied = refusal("GetUser", "AccessDenied", "")
    assert statuses(guarded("x", step(denied), denied=skip)) == [("step", "ok"), ("x", "skip")]
    throttled = refusal("GetUser", "Throttling", "")
    assert statuses(guarded("x", step(throttled), denied=skip)) == [("step", "ok"), ("x", "fail")]


def test_a_fault_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        list(guarded("step", step(ZeroDivisionError())))


def known(error: Exception | None) -> Step[int]:
    yield ok("step", "first")
    if error:
        raise error
    return 7


def test_a_step_returns_what_it_knows() -> None:
    findings, returned = outcome(guarded("step", known(None), 0))
    assert (statuses(findings), returned) == ([("step", "ok")], 7)


def test_after_an_error_findings_are_kept_and_something_else_is_returned() -> None:
    findings, returned = outcome(guarded("step", known(refusal("ListAccessKeys")), 0))
    assert (statuses(findings), returned) == ([("step", "ok"), ("step", "fail")], 0)


def test_a_call_is_guarded_as_a_step_is() -> None:
    def refused() -> int:
        raise refusal("GetPolicy")

    assert outcome(guarded_call("step", lambda: 7, 0)) == ([], 7)
    findings, returned = outcome(guarded_call("step", refused, 0))
    assert (statuses(findings), returned) == ([("step", "fail")], 0)
