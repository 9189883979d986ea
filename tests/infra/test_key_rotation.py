from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest

from openreplay_cw_stack.runtime.rotation.deployment import DELETE_KEYS, WAIT_FOR_KEY
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    a_stack,
    environment_of,
    only,
    resources,
    template_of,
)

ROTATION = {"rotation": cdk.Duration.days(30)}


def statements(template: Any, within: str) -> dict[str, dict[str, Any]]:
    """The statements of a function's policy, by their name."""
    (policy,) = [
        one["Properties"]
        for name, one in resources(template, "AWS::IAM::ManagedPolicy").items()
        if within in name and "May" not in name
    ]
    return {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}


def test_without_it_nothing_of_it_is_there() -> None:
    template = template_of(a_stack())
    assert resources(template, "AWS::SecretsManager::RotationSchedule") == {}
    assert resources(template, "AWS::Events::Rule") == {}
    assert [one for one in resources(template, "AWS::Lambda::Function") if "Rotation" in one] == []


def test_both_secrets_are_rotated_by_the_schedule() -> None:
    template = template_of(a_stack(**ROTATION))
    schedules = resources(template, "AWS::SecretsManager::RotationSchedule")
    rules = {
        "ServiceAccount" if "ServiceAccount" in name else "Bridge": one["Properties"]
        for name, one in schedules.items()
    }
    assert {one["RotationRules"]["ScheduleExpression"] for one in rules.values()} == {
        "rate(30 days)"
    }
    # The bridge has a key; the service account's first one is made by the first rotation.
    assert rules["Bridge"]["RotateImmediatelyOnUpdate"] is False
    assert rules["ServiceAccount"]["RotateImmediatelyOnUpdate"] is True


def test_cloudformation_has_no_key_to_take_back() -> None:
    template = template_of(a_stack(**ROTATION))
    assert resources(template, "AWS::IAM::AccessKey") == {}
    secret = only(template, "AWS::SecretsManager::Secret", "ServiceAccount")
    # Nothing in it depends on anything that could change.
    assert "SecretString" not in secret
    assert secret["GenerateSecretString"] == {
        "ExcludePunctuation": True,
        "GenerateStringKey": "until_the_first_rotation",
        "SecretStringTemplate": "{}",
    }


def test_only_secrets_manager_of_this_account_may_invoke_it() -> None:
    template = template_of(a_stack(**ROTATION))
    (permission,) = [
        one["Properties"]
        for one in resources(template, "AWS::Lambda::Permission").values()
        if one["Properties"]["Principal"] == "secretsmanager.amazonaws.com"
    ]
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_it_may_touch_its_secrets_and_its_user_and_nothing_else() -> None:
    template = template_of(a_stack(**ROTATION))
    found = statements(template, "Rotation")
    assert set(found) == {
        "RotateTheSecrets",
        "NoteOnTheSecret",
        "SeeWhichKeyIsUsed",
        "ReplaceTheAccessKey",
        "GoOnWithARotation",
        "SeeWhetherTheStackGoes",
        "WriteOwnLines",
    }
    wide = [name for name, one in found.items() if one["Resource"] == "*"]
    assert wide == ["SeeWhichKeyIsUsed"]
    assert found["SeeWhichKeyIsUsed"]["Action"] == "cloudwatch:GetMetricStatistics"
    assert found["SeeWhetherTheStackGoes"]["Resource"] == {"Ref": "AWS::StackId"}
    assert found["NoteOnTheSecret"]["Condition"] == {
        "ForAllValues:StringLike": {"aws:TagKeys": ["openreplay-cw-stack:*"]}
    }


def test_the_first_key_is_waited_for() -> None:
    template = template_of(a_stack(**ROTATION))
    (first_key,) = resources(template, "Custom::OpenReplayFirstKey").values()
    needed = " ".join(first_key["DependsOn"])
    for part in ("ServiceAccountUser", "RotatedSecretRotation", "ServiceAccountPolicy"):
        assert part in needed
    assert first_key["Properties"]["Task"] == WAIT_FOR_KEY
    tracked = {"Ref": first_key["Properties"]["LogGroupName"]["Ref"]}
    assert "LogGroupappcheckout" in tracked["Ref"]
    environment = environment_of(template, "RotationFunction")
    assert environment["READER_LOG_GROUP"] == json.dumps(tracked)


def test_a_key_that_works_from_some_addresses_alone_is_tried_accordingly() -> None:
    limited = template_of(a_stack(**ROTATION, allowed_source_ranges=["203.0.113.0/24"]))
    assert environment_of(limited, "RotationFunction")["READER_ADDRESSES_LIMITED"] == "true"
    open_to_all = template_of(a_stack(**ROTATION))
    assert "READER_ADDRESSES_LIMITED" not in environment_of(open_to_all, "RotationFunction")


def test_keys_are_deleted_after_the_schedule_and_before_the_user() -> None:
    """CloudFormation deletes in the opposite order; no rotation is to make a key after that."""
    template = template_of(a_stack(**ROTATION))
    ((name, keys),) = resources(template, "Custom::OpenReplayAccessKeys").items()
    (schedule,) = [
        one
        for one in resources(template, "AWS::SecretsManager::RotationSchedule").values()
        if name in one["DependsOn"]
    ]
    assert "ServiceAccount" in json.dumps(schedule["Properties"]["SecretId"])
    assert keys["Properties"]["Task"] == DELETE_KEYS
    assert "ServiceAccountUser" in json.dumps(keys["Properties"]["UserName"])
    # The function that deletes them needs its policy, and that names the secret.
    assert "RotatedSecret" in json.dumps(statements(template, "Rotation")["RotateTheSecrets"])


def test_it_looks_after_the_keys_each_hour() -> None:
    template = template_of(a_stack(**ROTATION))
    rule = only(template, "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert json.loads(rule["Targets"][0]["Input"]) == {"task": "look"}


def test_the_bridge_refuses_the_previous_key_after_the_same_time() -> None:
    template = template_of(a_stack(**ROTATION, rotation_grace=cdk.Duration.hours(6)))
    assert environment_of(template, "Bridge")["PREVIOUS_KEY_SECONDS"] == "21600"
    rotation = environment_of(template, "RotationFunction")
    assert rotation["GRACE_SECONDS"] == "21600"
    assert rotation["NOTICE_SECONDS"] == "10800"


def test_rotation_waits_longer_than_the_bridge_keeps_from_reading() -> None:
    template = template_of(a_stack(**ROTATION))
    bridge = environment_of(template, "Bridge")
    rotation = environment_of(template, "RotationFunction")
    assert float(rotation["KNOWN_AFTER_SECONDS"]) > float(bridge["KEY_REFRESH_SECONDS"])


@pytest.mark.parametrize(
    ("hours", "expression"),
    [
        (4, "rate(4 hours)"),
        (24, "rate(1 day)"),
        (36, "rate(36 hours)"),
        (24_000, "rate(1000 days)"),
    ],
)
def test_schedules(hours: int, expression: str) -> None:
    template = template_of(
        a_stack(
            rotation=cdk.Duration.hours(hours),
            rotation_grace=cdk.Duration.hours(4),
            service_account=False,
        )
    )
    schedule = only(template, "AWS::SecretsManager::RotationSchedule")
    assert schedule["RotationRules"]["ScheduleExpression"] == expression


def test_encryption_key() -> None:
    template = template_of(a_stack(**ROTATION, encryption_key=ENCRYPTION_KEY_ARN))
    assert statements(template, "Rotation")["UseTheKey"]["Resource"] == ENCRYPTION_KEY_ARN


def test_alarms() -> None:
    template = template_of(a_stack(**EVERY_FUNCTION))
    watched = {
        one["Properties"]["MetricName"]
        for one in resources(template, "AWS::CloudWatch::Alarm").values()
        if "MetricName" in one["Properties"]
    }
    assert watched >= {
        "NewKeyUnused",
        "RefusedRotations",
        "FailedRotations",
        "FailedRegistrations",
    }


def test_our_own_log_groups_cannot_be_tracked() -> None:
    stack = a_stack(**EVERY_FUNCTION)
    integration = stack.integration
    assert integration.rotation is not None
    assert integration.registrations is not None
    for group in (integration.rotation.log_group, *integration.registrations.log_groups):
        with pytest.raises(ValueError, match="has no lines of your applications"):
            integration.track(group)
