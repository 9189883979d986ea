from __future__ import annotations

import ast
import contextlib
import datetime
import re
import traceback
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from hypothesis import example, given, settings
from hypothesis import strategies as st

import openreplay_cw_stack
from openreplay_cw_stack import OpenReplayCloudWatch, OpenReplayProject
from openreplay_cw_stack.infra.choices import Ingest, ServiceAccountAccess
from openreplay_cw_stack.infra.internal.option_checks import (
    InvalidOptions,
    check_options,
    declared_options,
)
from openreplay_cw_stack.infra.options import OpenReplayCloudWatchOptions
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    LOGIN_SECRET_ARN,
    PROJECT,
    ROOT,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    an_app,
    environment_of,
    only,
    resources,
    template_of,
)

OPTIONS = declared_options(OpenReplayCloudWatchOptions)
PRODUCT = sorted((ROOT / "openreplay_cw_stack").rglob("*.py"))
ALARM_TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:alarms"


def errors_of(**options: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidOptions) as invalid:
        check_options(OpenReplayCloudWatchOptions, options)
    return invalid.value.errors


ROTATED = {"rotation": cdk.Duration.days(30)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ingest": "http_api"}, ["ingest: 'http_api'", "direct or kinesis"]),
        ({"service_account": "false"}, ["service_account: 'false'", "True or False"]),
        ({"bridge": 1}, ["bridge: 1", "True or False"]),
        ({"log_groups": "/ecs/shop"}, ["log_groups: '/ecs/shop'", "give a list"]),
        ({"new_log_groups": "/ecs/shop"}, ["give a list (even for a single value)"]),
        ({"log_groups": [5]}, ["log_groups[0]: 5", "an ARN like", "or an ILogGroup"]),
        ({"rotation": 30}, ["rotation: 30", "cdk.Duration", "cdk.Duration.days(30), or None"]),
        ({"settle": datetime.timedelta(minutes=3)}, ["timedelta", "cdk.Duration.minutes(3)"]),
        ({"settle": cdk.Duration.hours(2)}, ["0s to 1h"]),
        ({"session_lifetime": cdk.Duration.seconds(5)}, ["1m to 30d"]),
        ({"line_retention": cdk.Duration.hours(1)}, ["1d to 3653d"]),
        ({"line_retention": cdk.Duration.days(3654)}, ["1d to 3653d"]),
        ({"rotation": cdk.Duration.hours(3)}, ["4h to 1000d"]),
        ({"rotation": cdk.Duration.days(1001)}, ["4h to 1000d"]),
        ({"rotation": cdk.Duration.minutes(250)}, ["in whole hours"]),
        ({"rotation": cdk.Duration.days(6)}, ["rotation_grace: 168 hours", "(144 hours)"]),
        ({**ROTATED, "rotation_grace": cdk.Duration.minutes(5)}, ["1h to 1000d"]),
        ({**ROTATED, "key_serial": 2}, ["key_serial: it replaces a key that is not rotated"]),
        (
            {**ROTATED, "service_account": False, "bridge": False},
            ["rotation: there is no key to rotate"],
        ),
        ({"token_secret": "a b"}, ["token_secret: 'a b'", "or an ISecret, or None"]),
        ({"token_secret": {"SecretString": "hunter2"}}, ["a mapping with the keys SecretString"]),
        ({"encryption_key": "alias/shop"}, ["arn:aws:kms", "or an IKey"]),
        ({"session_table": 5}, ["or an ITable"]),
        ({"bridge_domain_name": "logs.example.com"}, ["an IDomainName"]),
        ({"alarm_topic": "a topic"}, ["or an ITopic"]),
        ({"reserved_concurrency": -1}, ["-1", "1 or more, or None"]),
        ({"reserved_concurrency": 2.5}, ["2.5", "a whole number"]),
        ({"bridge_reserved_concurrency": 0}, ["1 or more"]),
        ({"session_table_write_limit": 0}, ["1 or more, or None"]),
        ({"key_serial": True}, ["a whole number"]),
        ({"user_name": "a b"}, ["user_name: 'a b'", "or None"]),
        ({"user_name": ""}, ["user_name: ''"]),
        ({"user_name": "é"}, ["user_name: 'é'"]),
        ({"user_name": "a" * 65}, ["1 to 64"]),
        ({"new_log_groups": ["/a", "/a"]}, ["new_log_groups[1]: '/a'", "in the list twice"]),
        ({"new_log_groups": [""]}, ["the name of a log group"]),
        ({"new_log_groups": ["a b"]}, ["'a b'"]),
        ({"new_log_groups": ["a" * 513]}, ["1 to 512"]),
        ({"new_log_groups": ["aws/lambda/x"]}, ["does not begin with aws/"]),
        ({"new_log_groups": [cdk.Aws.STACK_NAME]}, ["known only at deployment"]),
        ({"allowed_source_ranges": ["here"]}, ["'here'", "CIDR notation"]),
        ({"allowed_source_ranges": ["203.0.113.9/24"]}, ["has host bits set"]),
        ({"source_accounts": ["111111111111"]}, ["source_accounts: ", "use ingest=kinesis"]),
        ({"ingest": "kinesis", "source_accounts": ["1"]}, ["'1'", "twelve digits"]),
        (
            {"ingest": Ingest.KINESIS, "source_accounts": ["111111111111"] * 2},
            ["source_accounts[1]", "in the list twice"],
        ),
        ({"session_table": "lines", "session_table_write_limit": 5}, ["it limits a new"]),
        ({"excluded_log_groups": ["/a"]}, ["without track_account"]),
        ({"openreplay_projects": PROJECT}, ["expected a list", "a mapping with the keys"]),
        ({"openreplay_projects": ["https://a"]}, ["[0]: 'https://a'", "an OpenReplayProject"]),
        ({"openreplay_projects": [{**PROJECT, "url": "a"}]}, ["'a' is not an address"]),
        ({"openreplay_projects": [{**PROJECT, "url": 5}]}, ["openreplay_projects[0].url: 5"]),
        ({"openreplay_projects": [{**PROJECT, "project_id": 0}]}, ["[0].project_id: 0"]),
        ({"openreplay_projects": [PROJECT, PROJECT]}, ["openreplay.example/1 is in the list"]),
        ({"openreplay_projects": [PROJECT], "bridge": False}, ["it needs the bridge"]),
        (
            {"openreplay_projects": [{**PROJECT, "project_id": one} for one in range(1, 27)]},
            ["26 projects are given, and a deployment can have 25"],
        ),
        (
            {"service_account": False, "service_account_log_groups": ["/a"]},
            ["service_account=false"],
        ),
    ],
)
def test_wrong_values_are_named(options: dict[str, Any], words: list[str]) -> None:
    (error,) = errors_of(**options)
    for word in words:
        assert word in error
    assert "hunter2" not in error


def test_the_account_and_log_groups_by_name_do_not_go_together() -> None:
    found = errors_of(
        track_account=True, service_account=False, log_groups=["/a"], new_log_groups=["/b"]
    )
    assert [error.split(":")[0] for error in found] == ["log_groups", "new_log_groups"]


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(TypeError, match=r"unknown option log_group; did you mean log_groups\?"):
        OpenReplayCloudWatch(cdk.Stack(), "A", log_group=["/a"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="the options are new_log_groups, "):
        OpenReplayCloudWatch(cdk.Stack(), "A", frobnicate=1)  # type: ignore[call-arg]


def test_an_unknown_option_hides_no_other_error() -> None:
    with pytest.raises(TypeError) as refused:
        OpenReplayCloudWatch(cdk.Stack(), "A", log_group=["/a"], settle=3)  # type: ignore
    assert str(refused.value).startswith("\n  - unknown option log_group; did you mean log_groups?")
    assert "\n  - settle: 3 is wrong; give a cdk.Duration" in str(refused.value)


def test_a_construct_that_is_refused_leaves_nothing(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="settle"):
        OpenReplayCloudWatch(stack, "OpenReplay", settle=3)  # type: ignore[arg-type]
    assert stack.node.try_find_child("OpenReplay") is None


class TestTextsStandForObjects:
    def test_arns(self, stack: cdk.Stack) -> None:
        OpenReplayCloudWatch(
            stack,
            "OpenReplay",
            log_groups=["/ecs/shop", "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/cart:*"],
            ingest="kinesis",
            log_retention="90",
            new_log_groups=["/new"],
            removal_policy="destroy",
            service_account_access="scoped_and_describe",
            token_secret=TOKEN_SECRET_ARN,
            encryption_key=ENCRYPTION_KEY_ARN,
            session_table=SESSION_TABLE_ARN,
            alarm_topic=ALARM_TOPIC_ARN,
            openreplay_projects=[PROJECT],
        )
        template = template_of(stack)
        names = {
            str(one["Properties"]["LogGroupName"])
            for one in resources(template, "AWS::Logs::SubscriptionFilter").values()
        }
        assert {"/ecs/shop", "/ecs/cart"} < names
        assert only(template, "AWS::Logs::LogGroup", "LogGroupnew")["RetentionInDays"] == 90
        variables = environment_of(template, "ValidatorFunction")
        assert variables["TOKEN_SECRET_ARN"] == TOKEN_SECRET_ARN
        assert variables["SESSION_TABLE_ARN"] == SESSION_TABLE_ARN
        assert resources(template, "AWS::DynamoDB::Table") == {}
        assert resources(template, "AWS::SNS::Topic") == {}

    def test_names(self, stack: cdk.Stack) -> None:
        OpenReplayCloudWatch(
            stack,
            "OpenReplay",
            log_groups=["/ecs/shop"],
            token_secret="openreplay/token",
            encryption_key="1234abcd-12ab-34cd-56ef-1234567890ab",
            session_table="lines",
            alarm_topic="alarms",
        )
        template = template_of(stack)
        variables = environment_of(template, "ValidatorFunction")
        assert "secret:openreplay/token" in variables["TOKEN_SECRET_ARN"]
        assert ":table/lines" in variables["SESSION_TABLE_ARN"]
        text = str(template.to_json())
        assert ":key/1234abcd-12ab-34cd-56ef-1234567890ab" in text
        (alarm, *_) = resources(template, "AWS::CloudWatch::Alarm").values()
        assert str(alarm["Properties"]["AlarmActions"]).endswith(":alarms']]}]")

    def test_a_partial_arn_of_a_secret(self) -> None:
        partial = TOKEN_SECRET_ARN.rpartition("-")[0]
        template = template_of(a_stack(token_secret=partial))
        statements = only(template, "AWS::IAM::ManagedPolicy", "ValidatorPolicy")
        assert f"{partial}-??????" in str(statements)

    def test_an_arn_that_is_known_only_when_deployed(self) -> None:
        arn = cdk.Fn.import_value("TokenSecretArn")
        variables = environment_of(template_of(a_stack(token_secret=arn)), "ValidatorFunction")
        assert "TokenSecretArn" in variables["TOKEN_SECRET_ARN"]

    def test_objects(self, stack: cdk.Stack) -> None:
        key = kms.Key(stack, "Key")
        login = secretsmanager.Secret(stack, "Login")
        OpenReplayCloudWatch(
            stack,
            "OpenReplay",
            log_groups=[logs.LogGroup(stack, "Logs"), logs.LogGroup(stack, "More")],
            encryption_key=key,
            alarm_topic=sns.Topic(stack, "Topic"),
            token_secret=secretsmanager.Secret.from_secret_name_v2(stack, "Token", "name"),
            openreplay_projects=[
                OpenReplayProject(url="https://a", project_id=1, login_secret=login)
            ],
        )
        template_of(stack)

    def test_an_l1_construct_is_refused_with_what_to_give(self, stack: cdk.Stack) -> None:
        group = logs.CfnLogGroup(stack, "Logs")
        (error,) = errors_of(log_groups=[group])
        assert error.startswith("log_groups[0]: expected a name, or an ARN like ")
        assert error.endswith(" or an ILogGroup, got a CfnLogGroup")


class TestValuesOfAWrongType:
    def test_one_log_group_instead_of_a_list(self, stack: cdk.Stack) -> None:
        (error,) = errors_of(log_groups=logs.LogGroup(stack, "Logs"))
        assert error == "log_groups: expected a list (even for a single value), got a LogGroup"

    def test_an_imported_object(self, stack: cdk.Stack) -> None:
        key = kms.Key.from_key_arn(stack, "Key", ENCRYPTION_KEY_ARN)
        (error,) = errors_of(log_groups=key)
        assert error.endswith("got an imported resource")

    def test_a_duration_is_shown(self) -> None:
        (error,) = errors_of(settle=cdk.Duration.hours(2))
        assert error == "settle: expected 0s to 1h, such as 3m, got 2 hours"

    def test_a_traceback_names_the_exported_class(self) -> None:
        assert InvalidOptions is openreplay_cw_stack.InvalidOptions
        with pytest.raises(InvalidOptions) as invalid:
            OpenReplayCloudWatch(cdk.Stack(), "A", settle=3)  # type: ignore[arg-type]
        (last,) = traceback.format_exception_only(invalid.value)
        assert last.startswith("openreplay_cw_stack.InvalidOptions: settle: 3 is wrong; ")


class TestOtherPlaces:
    ARN = "arn:aws:logs:us-east-1:210987654321:log-group:/ecs/shop"

    def test_a_stack_of_a_known_place_refuses(self) -> None:
        env = cdk.Environment(account="210987654321", region="eu-west-1")
        stack = cdk.Stack(an_app(), "Host", env=env)
        with pytest.raises(ValueError, match="/ecs/shop is in region us-east-1 and this stack in"):
            OpenReplayCloudWatch(stack, "OpenReplay", log_groups=[self.ARN])

    def test_cloudformation_refuses_where_a_stack_of_any_place_is_deployed_elsewhere(self) -> None:
        rules = template_of(a_stack(new_log_groups=[], log_groups=[self.ARN])).to_json()["Rules"]
        (rule,) = [one for name, one in rules.items() if "Place" in name]
        assert [one["Assert"] for one in rule["Assertions"]] == [
            {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
            {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "210987654321"]},
        ]
        assert "/ecs/shop is in region us-east-1" in rule["Assertions"][0]["AssertDescription"]

    def test_a_name_needs_no_rule(self) -> None:
        template = template_of(a_stack(new_log_groups=[], log_groups=["/ecs/shop"]))
        assert "Place" not in str(template.to_json().get("Rules", {}))


class TestMethods:
    def test_track_takes_a_name(self, stack: cdk.Stack) -> None:
        integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
        integration.track("/ecs/shop")
        filters = only(template_of(stack), "AWS::Logs::SubscriptionFilter")
        assert filters["LogGroupName"] == "/ecs/shop"
        with pytest.raises(ValueError, match=r"log_group: 5 is wrong; give a name, or an ARN"):
            integration.track(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="already tracked"):
            integration.track("/ecs/shop")

    def test_metric_rejected_takes_verdicts_alone(self, stack: cdk.Stack) -> None:
        integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
        metric = integration.metric_rejected("bad_signature")
        assert dict(metric.dimensions or {})["Verdict"] == "bad_signature"
        with pytest.raises(ValueError, match=r"verdict: 'typo' is wrong; give .*bad_sig"):
            integration.metric_rejected("typo")
        with pytest.raises(ValueError, match="use metric_linkable"):
            integration.metric_rejected("linkable")


def warnings_of(stack: cdk.Stack) -> list[str]:
    found = cdk.assertions.Annotations.from_stack(stack).find_warning(
        "*", cdk.assertions.Match.any_value()
    )
    return [str(one.entry.data) for one in found]


class TestOptionsWithoutEffect:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"service_account": False, "user_name": "reader"}, "user_name has no effect without"),
            (
                {
                    "bridge": False,
                    "service_account": False,
                    "allowed_source_ranges": ["203.0.113.0/24"],
                },
                "allowed_source_ranges has no effect without bridge or service_account",
            ),
            ({"bridge": False, "hold_until_over": True}, "hold_until_over has no effect"),
            ({"rotation_grace": cdk.Duration.days(3)}, "rotation_grace has no effect without"),
        ],
    )
    def test_they_are_annotated(self, options: dict[str, Any], words: str) -> None:
        (warning,) = warnings_of(a_stack(**options))
        assert words in warning

    def test_a_default_is_no_mistake(self) -> None:
        assert warnings_of(a_stack(service_account=False, bridge=False, settle=a_settle())) == []

    def test_a_construct_that_tracks_nothing(self, stack: cdk.Stack) -> None:
        integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
        (warning,) = warnings_of(stack)
        assert "no log group is tracked" in warning
        other = cdk.Stack(an_app(), "Other")
        integration = OpenReplayCloudWatch(other, "OpenReplay", service_account=False)
        integration.track(logs.LogGroup(other, "Later"))
        assert warnings_of(other) == []

    @pytest.mark.parametrize("tracked", [True, False])
    def test_a_tagged_function_whose_lines_nobody_judges(
        self, stack: cdk.Stack, tracked: bool
    ) -> None:
        integration = OpenReplayCloudWatch(
            stack, "OpenReplay", service_account=False, log_groups=["/ecs/shop"]
        )
        group = logs.LogGroup(stack, "CheckoutLogs")
        function = lambda_.Function(
            stack,
            "Checkout",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="app.handler",
            code=lambda_.Code.from_asset(str(Path(__file__).parent / "snapshots")),
            log_group=group,
        )
        integration.tag_errors_of(function)
        if tracked:
            integration.track(group)
        found = [one for one in warnings_of(stack) if "its log group is not tracked" in one]
        assert len(found) == (0 if tracked else 1)


def a_settle() -> cdk.Duration:
    return cdk.Duration.minutes(3)


def identifiers_of(path: Path) -> set[str]:
    """Names, attributes, parameters, keywords, and texts that are a name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.add(name)
            case ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
                found.add(name)
    return found


IDENTIFIERS = {str(path.relative_to(ROOT)): identifiers_of(path) for path in PRODUCT}
PARTS = {"bridge", "dashboard", "ingest", "log_groups", "rotation", "service_account"}
PARTS |= {"session_table"}
TERMS = {"encryption_key", "removal_policy", "user_name", "replay_url", "error_events"}
"""Of the CDK's constructs too, or the names of a function and of a part of the validator."""
ARGUMENTS_OF_JUDGE = {"accept_unsigned_ids", "token_secret"}


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - PARTS - TERMS - ARGUMENTS_OF_JUDGE))
def test_an_option_is_named_in_four_files_at_most(name: str) -> None:
    named = [path for path, identifiers in IDENTIFIERS.items() if name in identifiers]
    assert len(named) <= 4, named


def anything() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    texts = st.sampled_from(["/a", "none", "kinesis", TOKEN_SECRET_ARN, "30", cdk.Aws.REGION])
    durations = st.integers(0, 10**6).map(cdk.Duration.minutes)
    odd = st.sampled_from(
        [cdk.RemovalPolicy.RETAIN, Ingest.KINESIS, ServiceAccountAccess.SCOPED, object(), dict]
    )
    one = plain | texts | durations | odd | st.binary(max_size=3)
    return one | st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=2)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(list(OPTIONS)), anything(), min_size=1, max_size=4))
@example({"new_log_groups": {"/a": 1}})
def test_any_value_is_right_or_refused_by_name(options: dict[str, Any]) -> None:
    """Never another error, and never silence: what is accepted is resolved."""
    try:
        checked = check_options(OpenReplayCloudWatchOptions, options)
    except InvalidOptions as invalid:
        for error in invalid.errors:
            assert re.match(r"[a-z_]+(\[\d+\])?(\.\w+)?: .+", error)
            assert error.split(":")[0].split("[")[0].split(".")[0] in OPTIONS
        return
    checked.resolve(cdk.Stack())


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(list(OPTIONS)), anything(), min_size=1, max_size=3))
def test_the_construct_is_built_or_refused(options: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidOptions):
        OpenReplayCloudWatch(cdk.Stack(), "OpenReplay", **options)


def test_every_option_has_a_meaning_and_a_default() -> None:
    for option in OPTIONS.values():
        assert option.meaning
        assert not option.meaning.endswith(".")
        assert option.default_text


def test_every_default_is_accepted() -> None:
    for option in OPTIONS.values():
        assert option.kind.check(option.default) == option.default


def test_a_table_of_the_app_is_accepted(stack: cdk.Stack) -> None:
    table = dynamodb.TableV2(
        stack,
        "Table",
        partition_key=dynamodb.Attribute(name="session", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="item", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expires",
    )
    OpenReplayCloudWatch(stack, "OpenReplay", session_table=table, new_log_groups=["/a"])
    template_of(stack)


def test_logins_are_secrets_by_name_too(stack: cdk.Stack) -> None:
    login = {**PROJECT, "login_secret": "openreplay/login"}
    OpenReplayCloudWatch(stack, "OpenReplay", openreplay_projects=[login], new_log_groups=["/a"])
    assert "openreplay/login" in str(template_of(stack).to_json())
    assert LOGIN_SECRET_ARN not in str(template_of(stack).to_json())
