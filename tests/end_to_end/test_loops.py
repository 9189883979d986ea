"""Loops: what cannot be seen at synth is stopped while it runs. On AWS it would go on for ever.

The emulator lets a loop run for a while, stops it and says so; here nothing is to be stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest

from emulator import Emulator
from openreplay_cw_stack.tagging import token_tag
from openreplay_cw_stack.tagging.filter_pattern import FILTER_PATTERN
from tests.end_to_end.conftest import Deployment, eventually
from tests.end_to_end.test_scale import no_loop_ran
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

GOOD = token_tag(a_token(session_id=4118144119896553030, expires_ms=2**50))
COMMON = {
    "removal_policy": "destroy",
    "service_account": "false",
    "bridge": "false",
    "dashboard": "false",
}


@dataclass
class One(Deployment):
    stack: ClassVar[str] = "One"


@dataclass
class Other(Deployment):
    stack: ClassVar[str] = "Other"


def validator_of(deployment: Deployment) -> dict[str, Any]:
    functions = deployment.aws.client("lambda").list_functions()["Functions"]
    begins = f"{deployment.stack}-OpenReplayValidator"
    (validator,) = [
        one
        for one in functions
        if one["FunctionName"].startswith(begins) and ".runtime.validator." in one["Handler"]
    ]
    return dict(validator)


def refused(deployment: Deployment, what: str) -> int:
    """A metric of this deployment; the account has two."""
    name = validator_of(deployment)["Environment"]["Variables"]["DEPLOYMENT"]
    return deployment.metric(what, Deployment=name)


@pytest.fixture(scope="module")
def pair(aws: Emulator, tmp_path_factory: pytest.TempPathFactory) -> tuple[One, Other]:
    """Two deployments, each of which tracks the other's linked log group by its name."""

    def context(name: str, *log_groups: str) -> dict[str, str]:
        return {
            **COMMON,
            "stack_id": name,
            "linked_log_group_name": f"/{name}/linked",
            "new_log_groups": f"/{name}/app",
            "log_groups": ",".join(log_groups),
        }

    one = One(aws, tmp_path_factory.mktemp("one"), context("One"))
    other = Other(aws, tmp_path_factory.mktemp("other"), context("Other", "/One/linked"))
    one.printed.append(one.cdk.bootstrap())
    one.deploy()
    other.deploy()
    one.context["log_groups"] = "/Other/linked"
    one.deploy()
    aws.evaluate_iam(True)
    return one, other


def test_two_that_track_each_other_come_to_an_end(aws: Emulator, pair: tuple[One, Other]) -> None:
    one, other = pair
    for sender, receiver in ((one, other), (other, one)):
        sender.put(f"/{sender.stack}/app", f"{GOOD} ERROR of {sender.stack}")
        assert eventually(partial(refused, receiver, "RefusedLines"), bool) == 1
    for deployment in pair:
        (line,) = deployment.linked_lines()
        assert line.group == f"/{deployment.stack}/app"
    assert no_loop_ran(aws)


def test_somebody_elses_subscription_of_the_whole_account_comes_to_an_end(
    aws: Emulator, pair: tuple[One, Other]
) -> None:
    """It delivers what we write to our own validator, and to the other what it tracks as well."""
    one, _ = pair
    logs = aws.client("logs")
    logs.put_account_policy(
        policyName="theirs",
        policyType="SUBSCRIPTION_FILTER_POLICY",
        policyDocument=json.dumps(
            {
                "DestinationArn": validator_of(one)["FunctionArn"],
                "FilterPattern": FILTER_PATTERN,
            }
        ),
    )
    linked, payloads = len(one.linked_lines()), refused(one, "RefusedPayloads")
    one.put("/One/app", f"{GOOD} ERROR twice")
    lines = eventually(one.linked_lines, lambda seen: len(seen) >= linked + 2)
    # Once for each subscription; both have one id, by which the bridge shows them as one.
    assert len(lines) == linked + 2
    assert len({line.id for line in lines[linked:]}) == 1
    # Each of the two was delivered from the linked log group, and refused there.
    wanted = payloads + 2
    assert eventually(partial(refused, one, "RefusedPayloads"), wanted.__eq__) == wanted
    assert no_loop_ran(aws)
    logs.delete_account_policy(policyName="theirs", policyType="SUBSCRIPTION_FILTER_POLICY")
