from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from openreplay_cw_stack.commands.check.service_account import check_service_account
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.report.findings import Finding
from tests.commands.check.support import context
from tests.commands.support import NOW, Client, account, days_ago, refusal, resource, statuses

RESOURCES = (
    resource("ServiceAccountUser", "openreplay_cw", "AWS::IAM::User"),
    resource("ServiceAccountSecret", "arn:secret", "AWS::SecretsManager::Secret"),
)
SECRET_KEY = "the-secret-access-key"
GROUP = "/app/checkout"
GROUP_ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:/app/checkout"
KEY = {
    "access_key_id": "AKIAEXAMPLE",
    "secret_access_key": SECRET_KEY,
    "region": "eu-west-1",
    "log_group_name": GROUP,
}
SCOPED = {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": f"{GROUP_ARN}:*"}
FROM_OFFICE = {**SCOPED, "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}}
NOT_ELSEWHERE = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"x": {}}}
DESCRIBE = {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": "*"}
READ_ONLY = "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"
DENIED = refusal("X", "AccessDeniedException")


def a_key(age: float = 1, key_id: str = "AKIAEXAMPLE", status: str = "Active") -> dict[str, Any]:
    return {"AccessKeyId": key_id, "Status": status, "CreateDate": days_ago(age)}


def checked(
    *,
    secret: Any = None,
    keys: Any = None,
    used: float | None = 0,
    policies: Any = (("arn:policy", [SCOPED]),),
    read: Any = None,
    describe: Any = DENIED,
    rooms: Iterable[str] = (),
    resources: Iterable[Resource] = RESOURCES,
) -> dict[str, Finding]:
    last = {} if used is None else {"LastUsedDate": days_ago(used)}
    documents = dict(policies)

    def read_policy(arn: str) -> Any:
        if isinstance(documents[arn], Exception):
            raise documents[arn]
        return documents[arn]

    iam = {
        "list_access_keys": {"AccessKeyMetadata": [a_key()] if keys is None else keys},
        "get_access_key_last_used": {"AccessKeyLastUsed": last},
        "list_groups_for_user": {"Groups": [{"GroupName": "group"}]},
        "list_attached_group_policies": {
            "AttachedPolicies": [{"PolicyArn": arn} for arn in documents]
        },
        "get_policy": lambda PolicyArn: {"Policy": {"DefaultVersionId": "v1"}},  # noqa: N803
        "get_policy_version": lambda PolicyArn, VersionId: {  # noqa: N803
            "PolicyVersion": {"Document": {"Statement": read_policy(PolicyArn)}}
        },
    }

    def filter_log_events(*, logGroupName: str, limit: int) -> Any:  # noqa: N803
        assert logGroupName == GROUP, "no other group is guessed"
        if isinstance(read, Exception):
            raise read
        return {"events": []}

    with_key = Client({"filter_log_events": filter_log_events, "describe_log_groups": describe})
    value = json.dumps(KEY) if secret is None else secret
    plain = account(
        iam=iam,
        secretsmanager={
            "get_secret_value": value
            if isinstance(value, Exception)
            else {"SecretString": value, "CreatedDate": days_ago(3)}
        },
    )

    def make_client(service: str, **settings: str) -> Any:
        if not settings:
            return plain.client(service)
        assert settings["aws_secret_access_key"] == SECRET_KEY
        return with_key

    of = Account(NOW, 60, make_client=make_client)
    findings = list(check_service_account(context(of, *resources, rooms=rooms)))
    assert not any(SECRET_KEY in one.detail + one.remedy for one in findings)
    return {one.name.removeprefix("service account "): one for one in findings}


def test_all_is_well() -> None:
    found = checked()
    assert {name: one.status.value for name, one in found.items()} == dict.fromkeys(
        ("secret", "keys", "use", "policies", "key"), "ok"
    )
    assert found["key"].detail == "reads /app/checkout; cannot list log groups"
    assert found["policies"].detail == "logs:FilterLogEvents on /app/checkout, and nothing else"


def test_there_is_none() -> None:
    assert statuses(check_service_account(context(account()))) == [("service account", "skip")]


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("{}", "lacks access_key_id, secret_access_key, region, log_group_name"),
        ("no json", "lacks"),
        ("[1]", "lacks"),
        (json.dumps({**KEY, "secret_access_key": ""}), "lacks secret_access_key"),
        (refusal("GetSecretValue"), "AWS refuses GetSecretValue"),
    ],
)
def test_a_secret_that_is_of_no_use(secret: Any, said: str) -> None:
    found = checked(secret=secret)
    assert found["secret"].status.value == "fail"
    assert said in found["secret"].detail
    assert found["key"].status.value == "skip"
    assert found["policies"].status.value == "ok"


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        ([a_key(89.9)], "ok", "1 key, 89 days old"),
        ([a_key(0.1)], "ok", "1 key, created today"),
        ([a_key(90)], "warn", "1 key, 90 days old"),
        ([a_key(1), a_key(100, "AKIAOTHER")], "warn", "2 keys, the oldest is 100 days old"),
        ([a_key(1), a_key(2, "AKIAOTHER", "Inactive")], "warn", "2 keys"),
        ([a_key(0), a_key(0, "AKIAOTHER")], "warn", "2 keys, created today"),
        ([a_key(1, status="Inactive")], "fail", "the key in the secret is inactive"),
        ([a_key(1, "AKIAOTHER")], "fail", "does not have the key that the secret holds"),
        ([], "fail", "does not have the key that the secret holds"),
    ],
)
def test_keys(keys: Any, status: str, said: str) -> None:
    finding = checked(keys=keys)["keys"]
    assert finding.status.value == status
    assert said in finding.detail


@pytest.mark.parametrize(
    ("age", "used", "status"),
    [
        (1, None, "ok"),
        (29.9, None, "ok"),
        (30, None, "warn"),
        (80, 29.9, "ok"),
        (80, 30, "warn"),
    ],
)
def test_when_the_key_was_used(age: float, used: float | None, status: str) -> None:
    finding = checked(keys=[a_key(age)], used=used)["use"]
    assert finding.status.value == status
    assert ("service_account=false" in finding.remedy) == (status == "warn")


def test_a_new_key_beside_an_old_one_has_not_been_unused_for_long() -> None:
    found = checked(keys=[a_key(100, "AKIAOTHER"), a_key(1)], used=None)
    assert found["use"].status.value == "ok"


@pytest.mark.parametrize(
    ("policies", "status", "said"),
    [
        ([("arn:policy", SCOPED)], "ok", "nothing else"),
        ([("arn:policy", [SCOPED, DESCRIBE])], "warn", "logs:DescribeLogGroups"),
        ([(READ_ONLY, [])], "warn", "CloudWatchReadOnlyAccess"),
        ([], "fail", "no policy"),
    ],
)
def test_policies(policies: Any, status: str, said: str) -> None:
    finding = checked(policies=policies)["policies"]
    assert finding.status.value == status
    assert said in finding.detail


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"describe": {}}, "fail", "the key can list log groups, which its policy does not allow"),
        (
            {"describe": {}, "policies": [("arn:policy", [SCOPED, DESCRIBE])]},
            "warn",
            "can also list log groups",
        ),
        ({"read": DENIED}, "fail", "cannot read /app/checkout: AccessDeniedException"),
        ({"read": refusal("X", "UnrecognizedClientException")}, "fail", "Unrecognized"),
        ({"read": refusal("X", "ResourceNotFoundException")}, "fail", "ResourceNotFound"),
    ],
)
def test_what_the_key_may_do(given: dict[str, Any], status: str, said: str) -> None:
    finding = checked(**given)["key"]
    assert finding.status.value == status
    assert said in finding.detail
    assert finding.remedy


@pytest.mark.parametrize("statements", [[FROM_OFFICE], [SCOPED, NOT_ELSEWHERE]])
def test_a_key_that_only_some_addresses_may_use(statements: Any) -> None:
    policies = [("arn:policy", statements)]
    found = checked(policies=policies)
    assert (found["policies"].status.value, found["key"].status.value) == ("ok", "ok")
    assert "from some addresses only" in found["policies"].detail
    found = checked(policies=policies, read=DENIED)
    assert found["key"].status.value == "skip"
    assert "allowed_source_ranges" in found["key"].detail


def test_a_policy_that_may_not_be_read_hides_no_other_one() -> None:
    """Nothing is said to be all, and the condition of the other one counts."""
    unreadable = refusal("GetPolicyVersion", "AccessDenied")
    found = checked(policies=[("arn:one", [FROM_OFFICE]), ("arn:two", unreadable)], read=DENIED)
    assert found["policies"].status.value == "fail"
    assert "refuses GetPolicyVersion" in found["policies"].detail
    assert found["key"].status.value == "skip"
    found = checked(policies=[("arn:one", unreadable), ("arn:two", [DESCRIBE])])
    assert found["policies"].status.value == "warn"
    assert "logs:DescribeLogGroups" in found["policies"].detail


class TestRotated:
    """With rotation the secret is another one, and a second key is nothing wrong."""

    RESOURCES = (
        RESOURCES[0],
        resource("ServiceAccountRotatedSecret", "arn:secret", "AWS::SecretsManager::Secret"),
    )

    def checked(self, *keys: dict[str, Any]) -> dict[str, Finding]:
        return checked(keys=list(keys), rooms=["rotation"], resources=self.RESOURCES)

    def test_one_key(self) -> None:
        found = self.checked(a_key(100))
        assert found["keys"].status.value == "ok"
        assert found["keys"].detail == "the current key is 100 days old"
        assert found["key"].status.value == "ok"

    def test_a_new_key(self) -> None:
        assert self.checked(a_key(0))["keys"].detail == "the current key was created today"

    def test_the_previous_one_is_disabled(self) -> None:
        found = self.checked(a_key(3), a_key(33, "AKIABEFORE", "Inactive"))
        assert found["keys"].status.value == "ok"
        assert "the previous one is inactive" in found["keys"].detail
        assert found["key"].status.value == "ok"

    def test_the_key_is_not_tried_while_rotation_waits_for_its_use(self) -> None:
        found = self.checked(a_key(3), a_key(33, "AKIABEFORE"))
        assert found["keys"].status.value == "warn"
        assert "enter the key of the secret" in found["keys"].remedy
        assert found["key"].status.value == "skip"
        assert "rotation waits for the first use" in found["key"].detail
        assert self.checked(a_key(0.5), a_key(33, "AKIABEFORE"))["keys"].status.value == "ok"
