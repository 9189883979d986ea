from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.rotation import check_rotation
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.contract.openreplay_project import notified_tag
from tests.commands.check.support import context
from tests.commands.support import account, days_ago, refusal, resource, statuses

SECRET = resource("ServiceAccountRotatedSecret", "arn:secret", "AWS::SecretsManager::Secret")
VERSIONS = {"new": ["AWSCURRENT"], "old": ["AWSPREVIOUS"]}


def found(described: Any, *, rooms: tuple[str, ...] = ("rotation",)) -> list[Finding]:
    answers = {"describe_secret": described}
    return list(check_rotation(context(account(secretsmanager=answers), SECRET, rooms=rooms)))


def described(**changes: Any) -> dict[str, Any]:
    values = {
        "RotationEnabled": True,
        "LastRotatedDate": days_ago(3),
        "VersionIdsToStages": VERSIONS,
    }
    return {**values, **changes}


def test_without_it_nothing_is_asked() -> None:
    assert found(refusal("DescribeSecret"), rooms=()) == []


def test_both_secrets_are_rotated() -> None:
    findings = found(described())
    assert statuses(findings) == [
        ("rotation, bridge key", "ok"),
        ("rotation, service account key", "ok"),
    ]
    assert {one.detail for one in findings} == {"last rotated 3 days ago"}


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"RotationEnabled": False}, "fail", "is disabled in Secrets Manager"),
        ({"LastRotatedDate": None}, "ok", "not rotated yet"),
        (
            {"VersionIdsToStages": {**VERSIONS, "next": ["AWSPENDING"]}},
            "warn",
            "a rotation is not complete",
        ),
        ({"VersionIdsToStages": {"new": ["AWSCURRENT", "AWSPENDING"]}}, "ok", "3 days ago"),
    ],
)
def test_what_may_be_of_it(changes: dict[str, Any], status: str, said: str) -> None:
    (first, _) = found(described(**changes))
    assert first.status.value == status
    assert said in first.detail


def test_which_key_the_projects_have() -> None:
    tags = [
        {"Key": notified_tag("openreplay.example/1"), "Value": "new"},
        {"Key": notified_tag("openreplay.example/2"), "Value": "old"},
        {"Key": "of-another", "Value": "old"},
    ]
    findings = found({"Tags": tags, "VersionIdsToStages": VERSIONS}, rooms=("registration",))
    assert statuses(findings) == [
        ("registered, bridge key", "ok"),
        ("registered, bridge key", "fail"),
        ("registered, service account key", "ok"),
        ("registered, service account key", "fail"),
    ]
    assert findings[1].detail == "openreplay.example/2 does not have the current key"


def test_a_refusal_stops_nothing() -> None:
    assert [status for _, status in statuses(found(refusal("DescribeSecret")))] == ["fail", "fail"]
