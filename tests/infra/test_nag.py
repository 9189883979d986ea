"""cdk-nag: no finding that is not acknowledged, no acknowledgement that is not needed."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from constructs import IConstruct

from openreplay_cw_stack import Ingest, ServiceAccountAccess
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
)

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
        "untracked_log_groups": ["/noise"],
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
