from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openreplay_cw_stack.commands.deployed.bridge_url import bridge_url
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.deployed.stack import Resource
from tests.commands.support import account, function, resource, stack

API = resource("BridgeHttpApi", "abc123", "AWS::ApiGatewayV2::Api")
MAPPING = resource("BridgeMapping", "m", "AWS::ApiGatewayV2::ApiMapping")
STAFFS = Resource("StaffMapping0A1B2C3D", "n", "AWS::ApiGatewayV2::ApiMapping")


@pytest.mark.parametrize(
    ("resources", "changes", "url"),
    [
        ((API,), {"outputs": {"BridgeUrl": "https://own.example/"}}, "https://own.example/"),
        ((API,), {}, "https://abc123.execute-api.eu-west-1.amazonaws.com/"),
        ((API, STAFFS, MAPPING), {}, "https://search.shop.example/"),
        ((API, STAFFS), {}, "https://abc123.execute-api.eu-west-1.amazonaws.com/"),
        ((), {}, None),
    ],
)
def test_where_it_is(resources: Any, changes: Any, url: str | None) -> None:
    mappings = {
        MAPPING.logical_id: ("search.shop.example", {"Ref": API.logical_id}),
        STAFFS.logical_id: ("search.staff.example", "another"),
    }
    body = {
        "Resources": {
            name: {"Properties": {"DomainName": domain, "ApiId": api}}
            for name, (domain, api) in mappings.items()
        }
    }
    of = account(cloudformation={"get_template": {"TemplateBody": body}})
    bridge = function("bridge")
    deployment = Deployment("Shop", stack(*resources, **changes), {"bridge": bridge}, alone=True)
    assert bridge_url(of, deployment, bridge) == url


def test_the_output_of_a_stack_with_several_deployments_is_not_used() -> None:
    shop = stack(API, outputs={"BridgeUrl": "https://of-one-of-them/"})
    deployment = Deployment("Shop", shop, {"bridge": function("bridge")}, alone=False)
    url = bridge_url(account(), deployment, function("bridge"))
    assert url == "https://abc123.execute-api.eu-west-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("partition", "suffix"),
    [
        ("aws", "amazonaws.com"),
        ("aws-us-gov", "amazonaws.com"),
        ("aws-cn", "amazonaws.com.cn"),
        ("aws-eusc", "amazonaws.eu"),
        ("aws-iso", "c2s.ic.gov"),
        ("aws-of-tomorrow", "amazonaws.com"),
    ],
)
def test_each_partition_has_its_own_suffix(partition: str, suffix: str) -> None:
    bridge = replace(function("bridge"), arn=f"arn:{partition}:lambda:eu-west-1:1:function:bridge")
    deployment = Deployment("Shop", stack(API), {"bridge": bridge}, alone=True)
    url = bridge_url(account(), deployment, bridge)
    assert url == f"https://abc123.execute-api.eu-west-1.{suffix}/"
