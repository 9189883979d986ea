from __future__ import annotations

import json
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.replay_links import TAG, remember_project, template_for
from openreplay_cw_stack.tagging import token_tag
from openreplay_cw_stack.tagging.replay_url import EXAMPLE
from tests.commands.support import account, function, refusal, stack
from tests.tagging.tokens import SESSION_ID, a_token

OTHER = EXAMPLE.replace("/5/", "/6/")


def a_deployment(**environment: str) -> Deployment:
    bridge = function("bridge", {"API_KEY_SECRET_ARN": "arn:secret"})
    functions = {"validator": function("validator", environment), "bridge": bridge}
    return Deployment("Shop", stack(), functions, alone=True)


def tagged(value: object) -> dict[str, Any]:
    if isinstance(value, Exception):
        return {"describe_secret": value}
    return {"describe_secret": {"Tags": [{"Key": TAG, "Value": value}] if value else []}}


@pytest.mark.parametrize(
    ("option", "tag", "variable", "expected"),
    [
        (EXAMPLE, OTHER.removesuffix("{session}"), None, EXAMPLE),
        (None, OTHER.removesuffix("{session}"), EXAMPLE, OTHER),
        (None, None, EXAMPLE, EXAMPLE),
        (None, "nonsense", EXAMPLE, EXAMPLE),
        (None, refusal("DescribeSecret"), EXAMPLE, EXAMPLE),
        (None, None, None, None),
    ],
)
def test_where_the_template_comes_from(
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    tag: object,
    variable: str | None,
    expected: str | None,
) -> None:
    monkeypatch.delenv("OPENREPLAY_REPLAY_URL", raising=False)
    if variable:
        monkeypatch.setenv("OPENREPLAY_REPLAY_URL", variable)
    deployment = a_deployment(**({"REPLAY_URL": option} if option else {}))
    assert template_for(account(secretsmanager=tagged(tag)), deployment) == expected


def test_a_wrong_variable_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENREPLAY_REPLAY_URL", "http://x/{session}")
    with pytest.raises(CommandFailed, match=r"OPENREPLAY_REPLAY_URL: write an https://"):
        template_for(account(secretsmanager=tagged(None)), a_deployment())


def test_a_registered_project_is_remembered_without_its_placeholder() -> None:
    of = account(secretsmanager={"tag_resource": {}})
    remember_project(of, a_deployment(), EXAMPLE)
    ((operation, arguments),) = of.client("secretsmanager").asked
    assert (operation, arguments["SecretId"]) == ("tag_resource", "arn:secret")
    assert arguments["Tags"] == [{"Key": TAG, "Value": "https://openreplay.example/5/session/"}]
    remember_project(account(secretsmanager={"tag_resource": refusal("Tag")}), a_deployment(), "x")


@pytest.mark.parametrize("as_json", [False, True])
def test_judge_prints_the_link_of_a_linkable_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    class Input:
        buffer = (f"{token_tag(a_token())} declined\n".encode(), b"untagged\n")

        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Input)
    monkeypatch.setenv("OPENREPLAY_REPLAY_URL", EXAMPLE)
    assert main(["judge", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out.splitlines()
    link = f"https://openreplay.example/5/session/{SESSION_ID}"
    if as_json:
        assert [json.loads(line)["replay_url"] for line in out[:2]] == [link, None]
    else:
        assert [line.strip() for line in out if "https://" in line] == [link]
