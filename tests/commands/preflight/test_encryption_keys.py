from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.encryption_keys import check_encryption_keys
from openreplay_cw_stack.commands.report.findings import Finding
from tests.commands.preflight.support import ACCOUNT, context, planned, resource
from tests.commands.support import account, refusal

KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
GROUP = {"Group": resource("AWS::Logs::LogGroup", KmsKeyId=KEY)}
ALARMS = {
    "Topic": resource("AWS::SNS::Topic", KmsMasterKeyId=KEY),
    "Alarm": resource("AWS::CloudWatch::Alarm"),
}
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
LOGS = {"Service": "logs.eu-west-1.amazonaws.com"}
CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}


def checked(
    folder: Path, resources: dict[str, Any], *principals: dict[str, str], state: str = "Enabled"
) -> list[Finding]:
    """With a key whose policy lets these principals do all."""
    statements = [
        {"Effect": "Allow", "Principal": one, "Action": "kms:*", "Resource": "*"}
        for one in principals
    ]
    kms = {
        "describe_key": {"KeyMetadata": {"KeyState": state}},
        "get_key_policy": {"Policy": json.dumps({"Statement": statements})},
    }
    return list(check_encryption_keys(context(account(kms=kms), planned(folder, resources))))


@pytest.mark.parametrize(
    ("resources", "principals", "refused"),
    [
        (GROUP, [ROOT, LOGS], []),
        (GROUP, [ROOT], ["CloudWatch Logs"]),
        (GROUP, [LOGS], ["the account's IAM policies"]),
        (GROUP, [{"AWS": ACCOUNT}, LOGS], []),
        (ALARMS, [ROOT, CLOUDWATCH], []),
        (ALARMS, [ROOT], ["alarms"]),
        ({"Topic": ALARMS["Topic"]}, [ROOT], []),
        ({**GROUP, **ALARMS}, [ROOT], ["CloudWatch Logs", "alarms"]),
        ({**GROUP, **ALARMS}, [{"AWS": "*"}], []),
    ],
)
def test_who_may_use_the_key(
    tmp_path: Path,
    resources: dict[str, Any],
    principals: list[dict[str, str]],
    refused: list[str],
) -> None:
    findings = checked(tmp_path, resources, *principals)
    if not refused:
        (finding,) = findings
        assert (finding.status.value, KEY in finding.detail) == ("ok", True)
        return
    assert [one.status.value for one in findings] == ["fail"] * len(refused)
    assert [
        one.detail.split("does not allow ")[1].split(" to use ")[0] for one in findings
    ] == refused


def test_a_key_that_cannot_be_used(tmp_path: Path) -> None:
    (finding,) = checked(tmp_path, GROUP, ROOT, LOGS, state="PendingDeletion")
    assert (finding.status.value, "is PendingDeletion" in finding.detail) == ("fail", True)


@pytest.mark.parametrize(
    ("arn", "status"),
    [
        (KEY.replace("eu-west-1", "eu-central-1"), "fail"),
        (KEY.replace(ACCOUNT, "999999999999"), "skip"),
    ],
)
def test_a_key_elsewhere(tmp_path: Path, arn: str, status: str) -> None:
    (finding,) = checked(tmp_path, {"G": resource("AWS::Logs::LogGroup", KmsKeyId=arn)})
    assert (finding.status.value, arn in finding.detail) == (status, True)


def test_a_key_that_the_stack_creates(tmp_path: Path) -> None:
    reference = {"Fn::GetAtt": ["Key", "Arn"]}
    resources = {"G": resource("AWS::Logs::LogGroup", KmsKeyId=reference)}
    assert checked(tmp_path, resources) == []


def test_a_key_that_may_not_be_looked_at(tmp_path: Path) -> None:
    of = account(kms={"describe_key": refusal("DescribeKey")})
    (finding,) = check_encryption_keys(context(of, planned(tmp_path, GROUP)))
    assert (finding.status.value, "DescribeKey" in finding.detail) == ("skip", True)
