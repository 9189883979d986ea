"""cdk-nag: no finding that is not acknowledged, no acknowledgement that is not needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from openreplay_cw_stack import (
    Ingest,
    OpenReplayCloudWatch,
    OpenReplayProject,
    ServiceAccountAccess,
)
from openreplay_cw_stack.infra.internal import acknowledgements
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    LOGIN_SECRET_ARN,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    an_app,
    template_of,
)

ROOT = Path(__file__).parents[2]
CDK_NAG_2 = "2.38.2"

PACKS = (
    cdk_nag.AwsSolutionsChecks,
    cdk_nag.ServerlessChecks,
    cdk_nag.HIPAASecurityChecks,
    cdk_nag.NIST80053R5Checks,
    cdk_nag.PCIDSS321Checks,
)

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "encryption key": {"encryption_key": ENCRYPTION_KEY_ARN, "token_secret": TOKEN_SECRET_ARN},
    "nothing reserved": {"reserved_concurrency": None, "bridge_reserved_concurrency": None},
    "describe": {"service_account_access": ServiceAccountAccess.SCOPED_AND_DESCRIBE},
    "read only": {"service_account_access": ServiceAccountAccess.CLOUD_WATCH_READ_ONLY},
    "smallest": {"service_account": False, "dashboard": False, "bridge": False},
    "limits": {
        "allowed_source_ranges": ["203.0.113.0/24"],
        "session_table_write_limit": 100,
        "service_account_log_groups": ["/a", "/b"],
    },
    "existing groups": {
        "new_log_groups": [],
        "log_groups": ["arn:aws:logs:eu-west-1:123456789012:log-group:/a"],
        "session_table": SESSION_TABLE_ARN,
    },
    "existing groups by name": {"new_log_groups": [], "log_groups": ["/a"]},
    "existing groups in a fixed place": {
        "new_log_groups": [],
        "log_groups": ["/a"],
        "session_table": SESSION_TABLE_ARN,
        "env": cdk.Environment(account="123456789012", region="eu-west-1"),
    },
    "every function": EVERY_FUNCTION,
    "every function and a key": {
        **EVERY_FUNCTION,
        "encryption_key": ENCRYPTION_KEY_ARN,
        "service_account": False,
    },
    "rotation without a bridge": {"rotation": EVERY_FUNCTION["rotation"], "bridge": False},
    "whole account": {
        "new_log_groups": [],
        "track_account": True,
        "excluded_log_groups": ["/noise"],
        "service_account": False,
    },
    "whole account through Kinesis": {
        "new_log_groups": [],
        "track_account": True,
        "ingest": Ingest.KINESIS,
        "service_account_log_groups": ["/a"],
    },
    "Kinesis and other accounts": {
        "ingest": Ingest.KINESIS,
        "source_accounts": ["111111111111", "222222222222"],
    },
    "Kinesis with a key": {"ingest": Ingest.KINESIS, "encryption_key": ENCRYPTION_KEY_ARN},
    "fixed place": {"env": cdk.Environment(account="123456789012", region="eu-west-1")},
}


def a_host() -> cdk.Stack:
    """A stack of somebody else's, with what only a host can give. Its own parts have findings."""
    stack = cdk.Stack(an_app(), "Host")
    function = lambda_.Function(
        stack,
        "Checkout",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="checkout.handler",
        code=lambda_.Code.from_bucket(
            cdk.aws_s3.Bucket.from_bucket_name(stack, "Code", "code"), "checkout.zip"
        ),
        log_group=logs.LogGroup(stack, "CheckoutLogs"),
    )
    integration = OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        log_groups=[function.log_group],
        rotation=cdk.Duration.days(30),
        openreplay_projects=[
            OpenReplayProject(
                url="https://openreplay.example",
                project_id=1,
                login_secret=secretsmanager.Secret.from_secret_complete_arn(
                    stack, "Login", LOGIN_SECRET_ARN
                ),
                vpc=ec2.Vpc.from_vpc_attributes(
                    stack,
                    "Vpc",
                    vpc_id="vpc-1",
                    availability_zones=["eu-west-1a"],
                    private_subnet_ids=["subnet-1"],
                ),
            )
        ],
    )
    integration.tag_errors_of(function)
    return stack


def test_none_in_a_host() -> None:
    assert [one for one in findings(a_host()) if one[1].startswith("Host/OpenReplay/")] == []


def findings(stack: cdk.Stack) -> set[tuple[str, str]]:
    """Rule and path of every finding of every pack."""
    return {
        (violation.rule_name, resource.construct_path or "")
        for pack in PACKS
        for violation in pack(verbose=True).validate_scope(stack).violations
        for resource in violation.violating_resources
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_finding_is_acknowledged(variant: str) -> None:
    assert findings(a_stack(**VARIANTS[variant])) == set()


class Recorder:
    """Stands in for the acknowledging, so that the findings stay."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[str, str, str]] = []

    def of(self, construct: IConstruct) -> Recorder:
        self.path = construct.node.path
        return self

    def acknowledge(self, *acknowledgments: cdk.Acknowledgment) -> None:
        for one in acknowledgments:
            self.acknowledged.append((one.id, self.path, one.reason))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(cdk.Validations, "of", recorder.of)
    return recorder


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_acknowledgement_is_needed_and_says_why(variant: str, recorder: Recorder) -> None:
    stack = a_stack(**VARIANTS[variant])
    found = findings(stack)
    assert found, "without acknowledgements there are findings"
    acknowledged = set()
    for rule, path, reason in recorder.acknowledged:
        # An L2 construct has its resource below it, an L1 construct is one.
        needed_for = found & {(rule, path), (rule, f"{path}/Resource")}
        assert needed_for, f"{rule} on {path}"
        assert len(reason.split()) >= 8, reason
        acknowledged |= needed_for
    assert acknowledged == found


@pytest.mark.slow
def test_every_finding_of_cdk_nag_2_is_acknowledged_as_well(tmp_path: Path) -> None:
    """It cannot stand beside version 3: a process of its own has it in front of that."""
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(tmp_path)]
        + [f"cdk-nag=={CDK_NAG_2}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode and not os.environ.get("REQUIRE_CDK_NAG_2"):
        pytest.skip(f"cdk-nag {CDK_NAG_2} cannot be installed: there is no package index")
    assert installed.returncode == 0, installed.stderr
    ran = subprocess.run(
        [sys.executable, "-m", "tests.infra.findings_of_cdk_nag_2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["version"] == CDK_NAG_2
    assert found["unacknowledged"], "without acknowledgements there are findings"
    assert found["findings"] == {name: [] for name in [*VARIANTS, "host"]}


def test_the_template_has_nothing_for_version_2_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "rules_to_suppress" not in json.dumps(template_of(a_stack()).to_json())
    monkeypatch.setattr(acknowledgements, "cdk_nag_2_is_installed", lambda: True)
    assert "rules_to_suppress" in json.dumps(template_of(a_stack()).to_json())


@pytest.mark.parametrize("refusal", ["InvalidValidationId: '::' is reserved", "anything else"])
def test_an_id_that_an_earlier_cdk_refuses(refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """aws-cdk-lib 2.253 to 2.268."""

    class Refusing(Recorder):
        def acknowledge(self, *acknowledgments: cdk.Acknowledgment) -> None:
            raise RuntimeError(refusal)

    monkeypatch.setattr(cdk.Validations, "of", Refusing().of)
    if refusal.startswith("InvalidValidationId"):
        a_stack()
    else:
        with pytest.raises(RuntimeError, match=refusal):
            a_stack()


def test_a_cdk_that_has_no_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    """aws-cdk-lib up to 2.250."""
    monkeypatch.delattr(cdk, "Validations")
    a_stack()
