from __future__ import annotations

from typing import Any

import pytest

from emulator import Emulator
from emulator.tests.support import delete_stack, deploy, outputs, unique

pytestmark = pytest.mark.emulator


def test_a_saved_query_is_listed_changed_and_removed_with_its_stack(aws: Emulator) -> None:
    stack, name = unique("stack"), unique("query")

    def resources(text: str) -> dict[str, Any]:
        properties = {"Name": f"{name}/lines", "QueryString": text}
        return {"Query": {"Type": "AWS::Logs::QueryDefinition", "Properties": properties}}

    def listed() -> list[str]:
        found = aws.client("logs").describe_query_definitions(queryDefinitionNamePrefix=name)
        return [one["queryString"] for one in found["queryDefinitions"]]

    identifier = outputs(deploy(aws, stack, resources("limit 1")))["QueryRef"]
    assert listed() == ["limit 1"]
    assert outputs(deploy(aws, stack, resources("limit 2")))["QueryRef"] == identifier
    assert listed() == ["limit 2"]
    delete_stack(aws, stack)
    assert listed() == []
