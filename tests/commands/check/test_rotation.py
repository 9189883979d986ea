from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from openreplay_cw_stack.commands.check.rotation import check_rotation
from openreplay_cw_stack.commands.deployed.deployment import Function
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.contract.openreplay_project import notified_tag
from openreplay_cw_stack.runtime.registration.settings import projects_to_text
from tests.commands.check.support import context
from tests.commands.support import account, days_ago, function, refusal, resource, statuses

SECRET = resource("ServiceAccountRotatedSecret", "arn:secret", "AWS::SecretsManager::Secret")
VERSIONS = {"new": ["AWSCURRENT"], "old": ["AWSPREVIOUS"]}


def found(
    described: Any,
    *,
    rooms: tuple[str, ...] = ("rotation",),
    registrations: Iterable[Function] = (),
) -> list[Finding]:
    of = account(secretsmanager={"describe_secret": described})
    given = context(of, SECRET, rooms=rooms, registrations=registrations)
    return list(check_rotation(given))


def registration(url: str, **projects: tuple[int, ...]) -> Function:
    environment = {"OPENREPLAY_URL": url, "PROJECTS": projects_to_text(projects)}
    return function("registration", environment)


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
    functions = [
        registration("https://openreplay.example/", login=(1, 2), other=(3,)),
        registration("https://openreplay.test", login=(1,)),
    ]
    tags = [
        {"Key": notified_tag("openreplay.example/1"), "Value": "new"},
        {"Key": notified_tag("openreplay.example/2"), "Value": "old"},
        # A project that has left the deployment, and a tag of the account.
        {"Key": notified_tag("openreplay.example/9"), "Value": "old"},
        {"Key": "cost-centre", "Value": "old"},
    ]
    described = {"Tags": tags, "VersionIdsToStages": VERSIONS}
    findings = found(described, rooms=(), registrations=functions)
    assert {one.name for one in findings} == {"registered, bridge key"}
    assert [(one.detail, one.status.value) for one in findings] == [
        ("openreplay.example/1 has the current key", "ok"),
        ("openreplay.example/2 does not have the current key", "fail"),
        ("openreplay.example/3 is not registered", "fail"),
        ("openreplay.test/1 is not registered", "fail"),
    ]
    for one in findings[1:]:
        assert "The log group /registration has the error" in one.remedy
        assert one.remedy.endswith("\naws lambda invoke --function-name registration /dev/stdout")


def test_a_registration_of_another_version() -> None:
    (finding,) = found({}, rooms=(), registrations=[function("registration")])
    assert finding.status.value == "fail"
    assert "has no OPENREPLAY_URL" in finding.detail


def test_a_refusal_stops_nothing() -> None:
    assert [status for _, status in statuses(found(refusal("DescribeSecret")))] == ["fail", "fail"]
