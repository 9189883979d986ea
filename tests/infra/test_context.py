from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack import (
    Ingest,
    ServiceAccountAccess,
)
from openreplay_cw_stack.infra.context import CONTEXT_OPTIONS, options_from_context
from openreplay_cw_stack.infra.internal.option_checks import InvalidOptions, declared_options
from openreplay_cw_stack.infra.options import OpenReplayCloudWatchOptions
from tests.infra.conftest import (
    CONTEXT,
    ENCRYPTION_KEY_ARN,
    ROOT,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
)

ALARM_TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:alarms"


def test_every_option_of_the_stack_is_in_the_context_but_objects() -> None:
    # A domain name needs a certificate, which a text in the context cannot be.
    options = {*declared_options(OpenReplayCloudWatchOptions), "stack_id"}
    assert set(CONTEXT_OPTIONS) == options - {"bridge_domain_name"}


def test_the_projects_own_context_is_right() -> None:
    assert options_from_context(CONTEXT) == options_from_context({})


@pytest.mark.parametrize(
    ("key", "value", "setting"),
    [
        ("new_log_groups", ["/a", "/b"], ("/a", "/b")),
        ("new_log_groups", "/a, /b", ("/a", "/b")),
        ("log_groups", "/a", ("/a",)),
        (
            "log_groups",
            ["arn:aws-cn:logs:cn-north-1:123456789012:log-group:/a:*"],
            ("arn:aws-cn:logs:cn-north-1:123456789012:log-group:/a:*",),
        ),
        ("session_table", "none", None),
        ("session_table", SESSION_TABLE_ARN, SESSION_TABLE_ARN),
        ("session_table_write_limit", "100", 100),
        ("service_account_log_groups", "/a, /b", ("/a", "/b")),
        ("log_retention", 365, logs.RetentionDays.ONE_YEAR),
        ("log_retention", "365", logs.RetentionDays.ONE_YEAR),
        ("removal_policy", "Destroy", RemovalPolicy.DESTROY),
        ("token_secret", TOKEN_SECRET_ARN, TOKEN_SECRET_ARN),
        ("accept_unsigned_ids", "true", True),
        ("service_account", False, False),
        (
            "service_account_access",
            "cloud_watch_read_only",
            ServiceAccountAccess("cloud_watch_read_only"),
        ),
        ("user_name", "None", None),
        ("user_name", None, None),
        ("user_name", "reader", "reader"),
        ("key_serial", "2", 2),
        ("encryption_key", ENCRYPTION_KEY_ARN, ENCRYPTION_KEY_ARN),
        ("reserved_concurrency", "none", None),
        ("reserved_concurrency", "25", 25),
        ("detailed_metrics", "TRUE", True),
        (
            "alarm_topic",
            "arn:aws:sns:eu-west-1:123456789012:a",
            "arn:aws:sns:eu-west-1:123456789012:a",
        ),
        ("ingest", "Kinesis", Ingest.KINESIS),
        ("stack_id", "Shop-OpenReplay", "Shop-OpenReplay"),
    ],
)
def test_values_as_text_and_as_json(key: str, value: object, setting: object) -> None:
    assert options_from_context({key: value})[key] == setting


def test_where_no_log_group_is_named_one_is_created() -> None:
    first = {"new_log_groups": ("/openreplay/backend",)}
    assert options_from_context({}) == first
    assert options_from_context({"dashboard": True}) == {"dashboard": True, **first}
    assert options_from_context({"log_groups": []}) == {"log_groups": (), **first}
    assert options_from_context({"log_groups": "/a"}) == {"log_groups": ("/a",)}


def test_no_log_group_is_created_where_lines_come_another_way() -> None:
    for context in (
        {"track_account": "true", "service_account": "false"},
        {"track_account": True, "service_account_log_groups": "/a"},
        {
            "ingest": "kinesis",
            "source_accounts": "111111111111",
            "service_account": False,
        },
    ):
        assert "new_log_groups" not in options_from_context(context)


def test_the_account_and_log_groups_by_name_do_not_go_together() -> None:
    with pytest.raises(InvalidOptions) as invalid:
        options_from_context(
            {
                "track_account": True,
                "service_account": False,
                "log_groups": "/a",
                "new_log_groups": "/b",
            }
        )
    assert [error.split(":")[0] for error in invalid.value.errors] == [
        "log_groups",
        "new_log_groups",
    ]


def test_the_service_accounts_log_groups_are_known() -> None:
    with pytest.raises(InvalidOptions, match="OpenReplay reads, or set service_account to false"):
        options_from_context({"track_account": True})
    with pytest.raises(
        InvalidOptions, match="it has no effect with service_account=false; omit one"
    ):
        options_from_context({"service_account": False, "service_account_log_groups": "/a"})


def test_an_existing_table_has_its_own_limit() -> None:
    context = {"session_table": SESSION_TABLE_ARN, "session_table_write_limit": 5}
    with pytest.raises(InvalidOptions, match="session_table_write_limit: it limits a new"):
        options_from_context(context)


def test_every_retention_that_cloudwatch_logs_has() -> None:
    days = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]
    days += (2192, 2557, 2922, 3288, 3653)
    enums = {options_from_context({"log_retention": one})["log_retention"] for one in days}
    assert enums == set(logs.RetentionDays) - {logs.RetentionDays.INFINITE}
    infinite = options_from_context({"log_retention": "infinite"})
    assert infinite["log_retention"] is logs.RetentionDays.INFINITE


@pytest.mark.parametrize(
    ("key", "value", "seconds"),
    [
        ("settle", "90", 90),
        ("settle", 0, 0),
        ("settle", "5m", 300),
        ("session_lifetime", "2H", 7200),
        ("line_retention", "90d", 7776000),
    ],
)
def test_durations(key: str, value: object, seconds: int) -> None:
    assert options_from_context({key: value})[key].to_seconds() == seconds


def test_the_bridges_settings() -> None:
    settings = options_from_context({"allowed_source_ranges": "203.0.113.7, 2001:db8::/32"})
    assert settings["allowed_source_ranges"] == ("203.0.113.7/32", "2001:db8::/32")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("new_log_groups", 5, ["5 is wrong", "give a list"]),
        ("new_log_groups", ["/a", "/a"], ["[1]: '/a'", "in the list twice"]),
        ("new_log_groups", ["a b"], ["'a b' is wrong", "the name of a log group"]),
        ("new_log_groups", [5], ["the name of a log group"]),
        (
            "new_log_groups",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/a",
            ["the name of a log group"],
        ),
        ("log_groups", "arn:aws:s3:::bucket", ["give a name, or an ARN like"]),
        ("log_groups", "", ["is empty", "environment variable unset"]),
        ("token_secret", " ", ["is empty", "environment variable unset"]),
        ("log_retention", 31, ["31 is wrong", "give 1, 3, 5, 7"]),
        ("log_retention", True, ["give 1, 3"]),
        ("removal_policy", "snapshot", ["'snapshot'", "retain or destroy"]),
        ("session_table", "s", ["an ARN like arn:aws:dynamodb", "or none"]),
        ("session_table_write_limit", "0", ["1 or more, or none"]),
        ("line_retention", "1h", ["1d to 3653d"]),
        ("token_secret", "hunter2", ["an ARN like arn:aws:secretsmanager", "or none"]),
        ("accept_unsigned_ids", "yes", ["'yes'", "true or false"]),
        ("key_serial", 0, ["0 is wrong", "1 or more"]),
        ("key_serial", "1.5", ["'1.5'", "a whole number"]),
        ("key_serial", None, ["a whole number"]),
        ("reserved_concurrency", "0", ["1 or more, or none"]),
        ("reserved_concurrency", "9" * 50, ["a whole number"]),
        ("user_name", "a b", ["'a b'", "or none"]),
        ("user_name", "", ["is empty"]),
        ("stack_id", "1st", ["'1st'", "give a letter"]),
        ("log_group", "/a", ["did you mean log_groups?"]),
        ("newLogGroups", "/a", ["did you mean new_log_groups?"]),
        ("dashbord", "true", ["did you mean dashboard?"]),
        ("settle", "2h", ["'2h'", "0s to 1h, such as 3m"]),
        ("settle", "soon", ["such as 3m"]),
        ("rotation", "90s", ["4h to 1000d", "such as 30d"]),
        ("session_lifetime", True, ["1m to 30d"]),
        ("allowed_source_ranges", "203.0.113.0/8", ["CIDR notation"]),
        ("allowed_source_ranges", ["here"], ["CIDR notation"]),
        ("ingest", "firehose", ["direct or kinesis"]),
        ("source_accounts", "12345", ["twelve digits"]),
        ("source_accounts", "111111111111", ["use ingest=kinesis"]),
        ("excluded_log_groups", "/a", ["without track_account"]),
        ("openreplay_projects", "x", ["give a JSON list"]),
        ("openreplay_projects", [{"url": "https://a"}], ["[0]: ", "add its login_secret"]),
        (
            "openreplay_projects",
            [{"url": "https://a", "project_id": 1, "login_secret": "s", "password": "hunter2"}],
            ["omit password"],
        ),
    ],
)
def test_an_error_names_the_key_the_value_and_the_fix(
    key: str, value: object, words: list[str]
) -> None:
    with pytest.raises(InvalidOptions) as invalid:
        options_from_context({key: value})
    (error,) = invalid.value.errors
    for word in [key, *words]:
        assert word in error
    assert key == "token_secret" or "hunter2" not in error


def test_every_error_at_once() -> None:
    with pytest.raises(InvalidOptions) as invalid:
        options_from_context(
            {
                "log_retention": 31,
                "key_serial": "x",
                "dashbord": True,
                "new_log_groups": ["/a", "/b"],
                "log_groups": ["arn:aws:logs:eu-west-1:123456789012:log-group:/a:*", "/c"],
                "session_table": "c",
            }
        )
    text = str(invalid.value)
    for words in (
        "log_retention: 31 is wrong",
        "key_serial: 'x' is wrong",
        "dashbord: unknown option; did you mean dashboard?",
        "session_table: 'c' is wrong",
        "log_groups: '/a' is also in new_log_groups",
    ):
        assert words in text
    assert len(invalid.value.errors) == 5


def test_the_keys_of_others_are_left_alone() -> None:
    context = {"acme/owner": "shop", "owner": "team", "vpc": "vpc-1", "feature:x": True}
    assert options_from_context(context) == options_from_context({})


def test_what_the_cdk_keeps_in_its_context_is_passed_over() -> None:
    assert options_from_context(
        {
            "@aws-cdk/core:checkSecretUsage": True,
            "aws:cdk:enable-path-metadata": True,
            "availability-zones:account=1:region=x": ["a"],
            "acknowledged-issue-numbers": [1],
        }
    ) == options_from_context({})


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(CONTEXT_OPTIONS)) | st.text(max_size=9), json_values))
def test_whatever_the_context_holds_it_is_read_or_refused(context: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidOptions):
        options_from_context(context)


def test_the_app_ends_with_a_message_and_no_traceback(tmp_path: Path) -> None:
    context = {**CONTEXT, "log_retention": 31, "dashbord": "x"}
    ended = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Wrong options: \n  - " in ended.stderr
    assert "log_retention: 31 is wrong" in ended.stderr
    assert "Traceback" not in ended.stderr
