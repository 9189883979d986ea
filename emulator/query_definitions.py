"""Saved queries of CloudWatch Logs Insights: AWS::Logs::QueryDefinition.

MiniStack 1.5.33 has neither the resource type nor DescribeQueryDefinitions.

AWS stores the name and the text of a query, and lists queries by the prefix of their name
(CloudWatch Logs API Reference, "DescribeQueryDefinitions"). Ref is the query's id (CloudFormation
Template Reference, "AWS::Logs::QueryDefinition").

Queries are not run.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ministack.services import cloudwatch_logs as service

from emulator import patching

Properties = dict[str, Any]

_TYPE = "AWS::Logs::QueryDefinition"
_queries: dict[str, Properties] = {}


def install() -> None:
    """Add the resource type and the action."""
    patching.require(service, ["json_response"])
    patching.wrap(service, "handle_request", _handle_request)
    patching.add_resource_type(_TYPE, create=_create, update=_update, delete=_delete)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    if headers.get("x-amz-target", "").rpartition(".")[2] != "DescribeQueryDefinitions":
        return await original(method, path, headers, body, query)
    prefix = json.loads(body).get("queryDefinitionNamePrefix", "")
    found = [
        {
            "queryDefinitionId": identifier,
            "name": one["Name"],
            "queryString": one["QueryString"],
            "logGroupNames": one.get("LogGroupNames", []),
        }
        for identifier, one in _queries.items()
        if one["Name"].startswith(prefix)
    ]
    return service.json_response({"queryDefinitions": found})


def _create(
    _logical_id: str, properties: Properties, _stack_name: str
) -> tuple[str, dict[str, str]]:
    identifier = str(uuid.uuid4())
    _queries[identifier] = properties
    return identifier, {"QueryDefinitionId": identifier}


def _update(
    physical_id: str, _old: Properties, new: Properties, _stack_name: str
) -> tuple[str, dict[str, str]]:
    _queries[physical_id] = new
    return physical_id, {"QueryDefinitionId": physical_id}


def _delete(physical_id: str, _properties: Properties) -> None:
    _queries.pop(physical_id, None)
