"""A deployed stack with a validator, as the commands find it; everything else a test gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.check.support import Client
from tests.commands.deployed.test_deployment import configuration


def deploy(
    monkeypatch: pytest.MonkeyPatch, *resources: tuple[str, str, str], **services: Any
) -> dict[str, Any]:
    """Put a stack behind ``boto3.client``; its clients by service.

    Args:
        monkeypatch: pytest's.
        resources: further ones, as logical id, physical id and type.
        services: clients by service.
    """
    functions = services.pop("lambda_", {})
    summaries = [
        {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": kind}
        for logical, physical, kind in (
            ("OpenReplayValidatorFunction0A1B2C3D", "validator", "AWS::Lambda::Function"),
            *resources,
        )
    ]
    clients = {
        "cloudformation": Client(
            {
                "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
                "list_stack_resources": {"StackResourceSummaries": summaries},
            }
        ),
        "lambda": Client({"get_function_configuration": configuration("validator"), **functions}),
        **services,
    }
    monkeypatch.setattr("boto3.client", lambda service, **settings: clients[service])
    return clients
