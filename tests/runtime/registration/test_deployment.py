"""Deployments, as CloudFormation reports them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent
from openreplay_cw_stack.runtime.registration import deployment

EVENT = DeploymentEvent(
    False,
    "arn:stack",
    {
        "OpenReplay": "host",
        "FunctionName": "tell",
        "Projects": '{"arn:login":[1,2],"arn:other":[3]}',
    },
)


def followed(event: DeploymentEvent) -> dict[str, Any]:
    ran: list[dict[str, Any]] = []

    def run(name: str, sent: Mapping[str, object]) -> None:
        assert name == "tell"
        # As AWS Lambda sends it.
        ran.append(json.loads(json.dumps(sent)))

    assert deployment.follow(event, run) == "host"
    (sent,) = ran
    return sent


def test_a_creation_registers() -> None:
    assert followed(EVENT) == {"task": "register", "left": {}}


def test_a_deletion_removes_all() -> None:
    assert followed(replace(EVENT, is_delete=True)) == {
        "task": "remove",
        "left": {"arn:login": [1, 2], "arn:other": [3]},
    }


@pytest.mark.parametrize(
    ("before", "left"),
    [
        ('{"arn:login":[1,2],"arn:other":[3]}', {}),
        ('{"arn:login":[1]}', {}),
        ('{"arn:login":[1,2,4],"arn:other":[3]}', {"arn:login": [4]}),
        ('{"arn:gone":[4,5],"arn:login":[1]}', {"arn:gone": [4, 5]}),
        # Another member has it now.
        ('{"arn:login":[1,2,3]}', {}),
    ],
)
def test_an_update_removes_those_that_left(before: str, left: dict[str, list[int]]) -> None:
    event = replace(EVENT, old_properties={"Projects": before})
    assert followed(event) == {"task": "register", "left": left}


def test_a_deployment_goes_on_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    def run(name: str, sent: Mapping[str, object]) -> None:
        raise CallFailed("ResourceNotFoundException")

    assert deployment.follow(EVENT, run) == "host"
    assert "did not finish: ResourceNotFoundException" in capsys.readouterr().out
