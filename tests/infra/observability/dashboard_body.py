"""The body of a template's dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def body_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the template's dashboard, with shortened references."""
    (properties,) = [
        one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Dashboard"
    ]
    body: dict[str, Any] = json.loads(_resolved(properties["DashboardBody"]))
    return body


def _resolved(value: Any) -> str:
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(_resolved, parts))
    (reference,) = value.values()
    return str(reference[0] if isinstance(reference, list) else reference)
