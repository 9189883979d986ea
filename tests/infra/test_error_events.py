from __future__ import annotations

import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events as events

from openreplay_cw_stack import OpenReplayCloudWatch
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.tagging.replay_url import EXAMPLE
from tests.infra.conftest import (
    PROJECT,
    a_stack,
    environment_of,
    only,
    resources,
    statements_of,
    template_of,
)

BUS_ARN = "arn:aws:events:eu-west-1:123456789012:event-bus/errors"


def settings_of(**options: Any) -> Settings:
    return Settings.from_environment(environment_of(template_of(a_stack(**options)), "Validator"))


class TestReplayUrl:
    def test_the_functions_know_it(self) -> None:
        assert settings_of(replay_url=EXAMPLE).replay_url == EXAMPLE
        assert settings_of().replay_url is None

    def test_it_is_that_of_the_only_project(self) -> None:
        assert settings_of(openreplay_projects=[PROJECT]).replay_url == (
            f"{PROJECT['url']}/{PROJECT['project_id']}/session/{{session}}"
        )
        both = [PROJECT, {**PROJECT, "project_id": 2}]
        assert settings_of(openreplay_projects=both).replay_url is None
        assert settings_of(openreplay_projects=both, replay_url=EXAMPLE).replay_url == EXAMPLE

    @pytest.mark.parametrize("wrong", ["", "http://x/{session}", "https://x/", 5])
    def test_another_is_refused(self, wrong: object) -> None:
        with pytest.raises(ValueError, match=r"replay_url: .* write an https:// address with"):
            a_stack(replay_url=wrong)

    def test_a_query_is_saved_that_shows_links(self) -> None:
        template = template_of(a_stack(replay_url=EXAMPLE + "?tab=1"))
        query = only(template, "AWS::Logs::QueryDefinition")["QueryString"]
        assert 'concat("https://openreplay.example/5/session/", session, "?tab=1")' in query
        (expression,) = re.findall(r"parse @message /(.*)/", query)
        python = expression.replace("(?<", "(?P<")
        for line in ("[openReplaySession.id=42] x", '{"openReplaySession.id": "42"}'):
            found = re.search(python, line)
            assert found is not None
            assert found["session"] == "42"
        (dashboard,) = resources(template, "AWS::CloudWatch::Dashboard").values()
        assert "lines with replay links* of Logs Insights" in str(dashboard)
        assert resources(template_of(a_stack()), "AWS::Logs::QueryDefinition") == {}


class TestErrorEvents:
    def test_nothing_is_published_by_default(self) -> None:
        template = template_of(a_stack())
        assert settings_of().error_bus_arn is None
        statements = statements_of(template, "ValidatorPolicy")
        assert not {"PublishErrorEvents", "NoteErrorEvents"} & set(statements)
        assert not [one for one in resources(template, "AWS::CloudWatch::Alarm") if "Event" in one]

    @pytest.mark.parametrize(
        ("given", "name"), [(True, "default"), ("errors", "errors"), (BUS_ARN, "errors")]
    )
    def test_the_validator_may_publish_to_one_bus(self, given: object, name: str) -> None:
        template = template_of(a_stack(error_events=given))
        publish = statements_of(template, "ValidatorPolicy")["PublishErrorEvents"]
        assert publish["Action"] == "events:PutEvents"
        assert f"event-bus/{name}" in str(publish["Resource"])
        note = statements_of(template, "ValidatorPolicy")["NoteErrorEvents"]
        assert note["Action"] == "dynamodb:PutItem"
        assert "SessionTable" in str(note["Resource"])
        alarms = resources(template, "AWS::CloudWatch::Alarm")
        assert [one for one in alarms if "FailedErrorEvents" in one]

    def test_a_bus_of_the_cdk(self, stack: cdk.Stack) -> None:
        bus = events.EventBus(stack, "Bus")
        OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/x"], error_events=bus)
        publish = statements_of(template_of(stack), "ValidatorPolicy")["PublishErrorEvents"]
        assert publish["Resource"]["Fn::GetAtt"][0].startswith("Bus")

    def test_the_interval(self) -> None:
        given = {"error_events": True, "error_event_interval": cdk.Duration.hours(1)}
        assert settings_of(**given).error_event_interval_seconds == 3600
        assert settings_of(error_events=True).error_event_interval_seconds == 300

    @pytest.mark.parametrize("none", [None, False])
    def test_none(self, none: object) -> None:
        assert settings_of(error_events=none).error_bus_arn is None

    @pytest.mark.parametrize("wrong", ["", "arn:aws:sns:eu-west-1:123456789012:x", 5, object()])
    def test_another_value_is_refused(self, wrong: object) -> None:
        with pytest.raises(ValueError, match=r"error_events: .*, or True for the default bus"):
            a_stack(error_events=wrong)
