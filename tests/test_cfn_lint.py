"""cfn-lint has nothing to say of the template; not in tests/infra, which needs no linter."""

from __future__ import annotations

import json
from typing import Any

import cfnlint.api
import pytest
from cfnlint.config import ManualArgs

from tests.infra.conftest import a_stack, template_of
from tests.infra.test_template import FULL, SCALE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keywords", "regions"),
    [
        ({}, ["eu-west-1", "ap-south-2", "cn-north-1", "us-gov-west-1"]),
        (FULL, ["eu-west-1", "cn-north-1"]),
        (SCALE, ["eu-west-1", "cn-north-1"]),
    ],
    ids=["default", "full", "scale"],
)
def test_cfn_lint(keywords: dict[str, Any], regions: list[str]) -> None:
    document = json.dumps(template_of(a_stack(**keywords)).to_json())
    # W3005: the CDK itself writes a DependsOn from every function to its role.
    config = ManualArgs(regions=regions, ignore_checks=["W3005"])
    found = cfnlint.api.lint(document, config=config)
    assert [str(one) for one in found or []] == []
