from __future__ import annotations

from typing import Any

import pytest

from emulator import Emulator
from emulator.tests.support import ACCOUNT, deploy, outputs, unique

pytestmark = pytest.mark.emulator


def resources(**properties: Any) -> dict[str, Any]:
    return {
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": f"arn:aws:iam::{ACCOUNT}:role/none",
                "Code": {"ZipFile": "def handler(event, context): return 'ran'"},
                **properties,
            },
        }
    }


def test_a_template_reserves_changes_and_lifts_concurrency(aws: Emulator) -> None:
    stack, functions = unique("stack"), aws.client("lambda")
    functions.meta.events.unregister("needs-retry.lambda", unique_id="retry-config-lambda")
    name = outputs(deploy(aws, stack, resources(ReservedConcurrentExecutions=2)))["FunctionRef"]

    def reserved() -> int | None:
        answer = functions.get_function_concurrency(FunctionName=name)
        found: int | None = answer.get("ReservedConcurrentExecutions")
        return found

    assert reserved() == 2
    deploy(aws, stack, resources(ReservedConcurrentExecutions="0"))
    assert reserved() == 0
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        functions.invoke(FunctionName=name)
    deploy(aws, stack, resources())
    assert reserved() is None
    functions.invoke(FunctionName=name)
