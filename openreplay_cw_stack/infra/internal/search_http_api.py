"""The API Gateway HTTP API in front of the bridge."""

from __future__ import annotations

import json

import aws_cdk as cdk
import jsii
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from openreplay_cw_stack.infra.internal.acknowledgements import (
    acknowledge,
    acknowledge_default_encryption,
)


def search_http_api(
    scope: Construct,
    function: lambda_.IFunction,
    *,
    domain_name: apigatewayv2.IDomainName | None,
    rate_limit: int,
    burst_limit: int,
    open_because: str,
    encryption_key: kms.IKey | None,
) -> tuple[apigatewayv2.HttpApi, str]:
    """Create an HTTP API that sends every request to a function, and return it with its URL.

    Args:
        scope: the parent construct of the API and its access logs.
        function: answers every request.
        domain_name: a custom domain name; None for the one that API Gateway generates.
        rate_limit: the allowed requests per second.
        burst_limit: the allowed requests at once.
        open_because: why API Gateway itself does not authorize callers.
        encryption_key: encrypts the access logs.
    """
    access_logs = logs.LogGroup(
        scope,
        "AccessLogs",
        retention=logs.RetentionDays.TWO_WEEKS,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        encryption_key=encryption_key,
    )
    if encryption_key is None:
        acknowledge_default_encryption(access_logs)
    api = apigatewayv2.HttpApi(
        scope,
        "HttpApi",
        description="The search endpoint for OpenReplay's Elasticsearch integration",
        create_default_stage=False,
        disable_execute_api_endpoint=domain_name is not None,
    )
    integration = integrations.HttpLambdaIntegration("Integration", function)
    for path in ("/", "/{proxy+}"):
        (route,) = api.add_routes(
            path=path, methods=[apigatewayv2.HttpMethod.ANY], integration=integration
        )
        acknowledge(route, {"AwsSolutions-APIG4": open_because})
    mapping = apigatewayv2.DomainMappingOptions(domain_name=domain_name) if domain_name else None
    stage = api.add_stage(
        "Stage",
        stage_name="$default",
        auto_deploy=True,
        domain_mapping=mapping,
        throttle=apigatewayv2.ThrottleSettings(rate_limit=rate_limit, burst_limit=burst_limit),
        access_log_settings=_AccessLogs(access_logs),
    )
    return api, stage.domain_url if domain_name else stage.url


@jsii.implements(apigatewayv2.IAccessLogSettings)
class _AccessLogs:
    """The access log: caller, time and result. It has no request bodies, which name sessions."""

    def __init__(self, log_group: logs.LogGroup) -> None:
        self._destination = apigatewayv2.LogGroupLogDestination(log_group)

    @property
    def destination(self) -> apigatewayv2.IAccessLogDestination:
        return self._destination

    @property
    def format(self) -> apigateway.AccessLogFormat:
        fields = {
            "request": "$context.requestId",
            "time": "$context.requestTimeEpoch",
            "address": "$context.identity.sourceIp",
            "method": "$context.httpMethod",
            "path": "$context.path",
            "status": "$context.status",
            "milliseconds": "$context.responseLatency",
        }
        return apigateway.AccessLogFormat.custom(json.dumps(fields))
