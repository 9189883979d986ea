"""Synthesised templates, shared: starting jsii takes seconds, a synth a fraction of one."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from openreplay_cw_stack import OpenReplayCloudWatchStack

ROOT = Path(__file__).parents[2]
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
FEATURE_FLAGS = {key: value for key, value in CONTEXT.items() if key.startswith("@")}
TOKEN_SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:openreplay-AbCdEf"
ENCRYPTION_KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SESSION_TABLE_ARN = "arn:aws:dynamodb:us-east-1:210987654321:table/sessions"
LOGIN_SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login-AbCdEf"
PROJECT = {
    "url": "https://openreplay.example",
    "project_id": 1,
    "login_secret": LOGIN_SECRET_ARN,
}
EVERY_FUNCTION: dict[str, Any] = {
    "rotation": cdk.Duration.days(30),
    "openreplay_projects": [PROJECT],
}


def an_app() -> cdk.App:
    return cdk.App(context=FEATURE_FLAGS)


def a_stack(**keywords: Any) -> OpenReplayCloudWatchStack:
    keywords.setdefault("new_log_groups", ["/app/checkout"])
    return OpenReplayCloudWatchStack(an_app(), "OpenReplayCloudWatch", **keywords)


def template_of(stack: cdk.Stack) -> assertions.Template:
    return assertions.Template.from_stack(stack)


@functools.cache
def default_template() -> assertions.Template:
    return template_of(a_stack())


@pytest.fixture
def template() -> assertions.Template:
    """The stack with every default and one log group."""
    return default_template()


@pytest.fixture
def app() -> cdk.App:
    return an_app()


@pytest.fixture
def stack(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Host")


def resources(template: assertions.Template, kind: str) -> dict[str, Any]:
    """The resources of a type, by logical id."""
    return dict(template.find_resources(kind))


def only(template: assertions.Template, kind: str, within: str = "") -> dict[str, Any]:
    """The properties of the only resource of a type, or the only one of a part of the stack."""
    (resource,) = [one for name, one in resources(template, kind).items() if within in name]
    properties: dict[str, Any] = resource.get("Properties", {})
    return properties


def statements_of(template: assertions.Template, within: str) -> dict[str, dict[str, Any]]:
    """The statements of the only managed policy of a part of the stack, by their name."""
    document = only(template, "AWS::IAM::ManagedPolicy", within)["PolicyDocument"]
    return {one["Sid"]: one for one in document["Statement"]}


def environment_of(template: assertions.Template, within: str) -> dict[str, str]:
    """The environment of the only function of a part of the stack, references as texts."""
    variables = only(template, "AWS::Lambda::Function", within)["Environment"]["Variables"]
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in variables.items()
    }
