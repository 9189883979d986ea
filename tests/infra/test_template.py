"""The whole template: a snapshot, and its logical ids. ``tests/test_cfn_lint.py`` lints it.

``UPDATE_SNAPSHOTS=1 make test-fast`` writes the snapshots anew; read what changed before you commit
it. A changed logical id replaces a resource in every deployment there is.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from aws_cdk import assertions

from openreplay_cw_stack import Ingest
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    TOKEN_SECRET_ARN,
    a_stack,
    template_of,
)

SNAPSHOTS = Path(__file__).parent / "snapshots"
SCALE = {
    "new_log_groups": [],
    "track_account": True,
    "excluded_log_groups": ["/noise"],
    "ingest": Ingest.KINESIS,
    "source_accounts": ["111111111111"],
    "service_account_log_groups": ["/aws/lambda/pay"],
}
FULL = {
    "new_log_groups": ["/app/checkout", "/app/search"],
    "log_groups": ["/aws/lambda/pay"],
    "session_table_write_limit": 1000,
    "allowed_source_ranges": ["203.0.113.0/24"],
    "token_secret": TOKEN_SECRET_ARN,
    "encryption_key": ENCRYPTION_KEY_ARN,
    "detailed_metrics": True,
    **EVERY_FUNCTION,
}


def compare(name: str, value: Any) -> None:
    path = SNAPSHOTS / f"{name}.json"
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert json.loads(text) == json.loads(path.read_text()), f"{path.name} has changed"


def normalised(template: assertions.Template) -> Any:
    """Without what changes with every line of code: the hash of the asset."""
    return json.loads(re.sub(r"[0-9a-f]{64}\.zip", "ASSET.zip", json.dumps(template.to_json())))


def test_the_default_template(template: assertions.Template) -> None:
    compare("default", normalised(template))


def test_the_template_with_everything() -> None:
    compare("full", normalised(template_of(a_stack(**FULL))))


def test_logical_ids(template: assertions.Template) -> None:
    document = template.to_json()["Resources"]
    compare("logical_ids", {name: one["Type"] for name, one in document.items()})
