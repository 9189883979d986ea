from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.session_table import check_session_table
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.report.findings import Finding
from tests.commands.check.support import context
from tests.commands.support import NOW, TABLE_ARN, Client, refusal

KEYS = [
    {"AttributeName": "session", "KeyType": "HASH"},
    {"AttributeName": "item", "KeyType": "RANGE"},
]
TYPES = [{"AttributeName": name, "AttributeType": "S"} for name in ("session", "item")]
A_TABLE: dict[str, Any] = {
    "Table": {
        "TableStatus": "ACTIVE",
        "KeySchema": KEYS,
        "AttributeDefinitions": TYPES,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ItemCount": 12,
        "TableSizeBytes": 3_400_000,
    }
}
EXPIRY = {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}}


def checked(
    table: Any = A_TABLE, expiry: Any = EXPIRY, *, arn: str = TABLE_ARN, bridge: str = ""
) -> list[Finding]:
    client = Client({"describe_table": table, "describe_time_to_live": expiry})
    asked: list[tuple[str, dict[str, Any]]] = []

    def make_client(service: str, **settings: Any) -> Any:
        asked.append((service, settings))
        return client

    functions: dict[str, Any] = {
        "validator": {"SESSION_TABLE_ARN": arn},
        "bridge": {"SESSION_TABLE_ARN": bridge},
    }
    findings = list(
        check_session_table(context(Account(NOW, 60, make_client=make_client), **functions))
    )
    if asked:
        assert asked == [("dynamodb", {"region_name": arn.split(":")[3]})]
        assert all(call[1] == {"TableName": arn} for call in client.asked)
    return findings


def test_all_is_well() -> None:
    state, expiry = checked()
    assert (state.status.value, expiry.status.value) == ("ok", "ok")
    assert state.detail.startswith("Shop-Sessions: 12 items, 3.4 MB")


def test_a_table_of_another_region_and_account() -> None:
    arn = "arn:aws:dynamodb:us-east-1:210987654321:table/Everywhere"
    assert [one.status.value for one in checked(arn=arn, bridge=arn)] == ["ok", "ok"]


def test_two_tables() -> None:
    (finding,) = checked(bridge=f"{TABLE_ARN}-2")
    assert finding.status.value == "fail"
    assert "the validator and the bridge have different ones" in finding.detail


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"TableStatus": "UPDATING"}, "ok", "12 items"),
        ({"TableStatus": "CREATING"}, "fail", "is CREATING"),
        ({"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}, "fail", "KMS key"),
        ({"KeySchema": KEYS[:1]}, "fail", "another schema: its key is session (HASH, S)"),
        ({"KeySchema": KEYS[::-1], "AttributeDefinitions": []}, "fail", "another schema"),
        ({"AttributeDefinitions": [{**TYPES[0], "AttributeType": "N"}]}, "fail", "(HASH, N)"),
        ({"BillingModeSummary": {}}, "warn", "its capacity is provisioned"),
    ],
)
def test_its_state(changes: dict[str, Any], status: str, said: str) -> None:
    finding = checked({"Table": {**A_TABLE["Table"], **changes}})[0]
    assert finding.status.value == status
    assert said in finding.detail + finding.remedy


@pytest.mark.parametrize(
    ("expiry", "status"),
    [
        ({"TimeToLiveStatus": "ENABLING", "AttributeName": "expires"}, "ok"),
        ({"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}, "fail"),
        ({"TimeToLiveStatus": "DISABLED"}, "fail"),
    ],
)
def test_its_expiry(expiry: dict[str, str], status: str) -> None:
    finding = checked(expiry={"TimeToLiveDescription": expiry})[1]
    assert finding.status.value == status
    assert ("aws dynamodb update-time-to-live" in finding.remedy) == (status == "fail")


def test_it_does_not_exist() -> None:
    (finding,) = checked(refusal("DescribeTable", "ResourceNotFoundException"))
    assert finding.status.value == "fail"
    assert f"{TABLE_ARN} does not exist" in finding.detail
