"""Finds the address of a deployment's bridge."""

from __future__ import annotations

from openreplay_cw_stack.commands.aws import dns_suffix
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.stack import read_template


def bridge_url(account: Account, deployment: Deployment, bridge: Function) -> str | None:
    """Return the bridge's address: the stack's output, its custom domain, or its HTTP API.

    Args:
        account: the account of the stack.
        deployment: the deployment.
        bridge: its bridge.

    Returns:
        The address; None if the HTTP API is not in the stack.

    Raises:
        CommandFailed: the template is not JSON.
        ClientError: AWS refuses a call.
    """
    if deployment.alone and deployment.stack.outputs.get("BridgeUrl"):
        return deployment.stack.outputs["BridgeUrl"]
    return _own_domain(account, deployment, bridge) or _http_api_url(deployment, bridge)


def _own_domain(account: Account, deployment: Deployment, bridge: Function) -> str | None:
    """Return the custom domain of the HTTP API, if it has one."""
    stack = deployment.stack
    api = stack.find("AWS::ApiGatewayV2::Api", f"{bridge.path}HttpApi")
    mappings = stack.of_kind("AWS::ApiGatewayV2::ApiMapping")
    if api is None or not mappings:
        return None
    template = read_template(account, stack)
    for mapping in mappings:
        properties = template.properties(mapping.logical_id)
        domain = template.value(properties.get("DomainName"))
        if domain and template.value(properties.get("ApiId")) == api.physical_id:
            return f"https://{domain}/"
    return None


def _http_api_url(deployment: Deployment, bridge: Function) -> str | None:
    stack = deployment.stack
    api = stack.find("AWS::ApiGatewayV2::Api", f"{bridge.path}HttpApi")
    if api is None:
        return None
    suffix = dns_suffix(bridge.arn.split(":")[1])
    return f"https://{api.physical_id}.execute-api.{stack.region}.{suffix}/"
