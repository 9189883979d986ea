from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_lambda as lambda_

from openreplay_cw_stack import function_url_cors, http_api_cors, rest_api_cors

HEADER = "X-OpenReplay-SessionToken"
ORIGIN = "https://shop.example"


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Shop")


def only(stack: cdk.Stack, kind: str) -> Any:
    (found,) = assertions.Template.from_stack(stack).find_resources(kind).values()
    return found["Properties"]


def test_a_function_url(stack: cdk.Stack) -> None:
    function = lambda_.Function(
        stack,
        "Checkout",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
    )
    function.add_function_url(
        auth_type=lambda_.FunctionUrlAuthType.NONE,
        cors=function_url_cors(
            allowed_origins=[ORIGIN], allowed_methods=["post"], max_age=cdk.Duration.minutes(10)
        ),
    )
    assert only(stack, "AWS::Lambda::Url")["Cors"] == {
        "AllowCredentials": False,
        "AllowHeaders": ["Content-Type", HEADER],
        "AllowMethods": ["POST"],
        "AllowOrigins": [ORIGIN],
        "MaxAge": 600,
    }


def test_an_http_api(stack: cdk.Stack) -> None:
    apigatewayv2.HttpApi(
        stack,
        "Api",
        cors_preflight=http_api_cors(
            allowed_origins=[ORIGIN, "http://localhost:3000"],
            header_name="X-Visit",
            allow_credentials=True,
        ),
    )
    assert only(stack, "AWS::ApiGatewayV2::Api")["CorsConfiguration"] == {
        "AllowCredentials": True,
        "AllowHeaders": ["Content-Type", "X-Visit"],
        "AllowMethods": ["*"],
        "AllowOrigins": [ORIGIN, "http://localhost:3000"],
    }


def test_a_rest_api(stack: cdk.Stack) -> None:
    api = apigateway.RestApi(
        stack, "Api", default_cors_preflight_options=rest_api_cors(allowed_origins=["*"])
    )
    api.root.add_resource("orders")
    methods = assertions.Template.from_stack(stack).find_resources("AWS::ApiGateway::Method")
    for method in methods.values():
        (answer,) = method["Properties"]["Integration"]["IntegrationResponses"]
        headers = answer["ResponseParameters"]
        allowed = headers["method.response.header.Access-Control-Allow-Headers"]
        assert allowed.strip("'").split(",")[-1] == HEADER
        assert "Authorization" in allowed


@pytest.mark.parametrize("make", [function_url_cors, http_api_cors, rest_api_cors])
class TestRefusals:
    @pytest.mark.parametrize(
        "origin", ["shop.example", "https://shop.example/", "https://shop.example/cart", "null", ""]
    )
    def test_what_is_no_origin(self, make: Any, origin: str) -> None:
        with pytest.raises(ValueError, match=r"is not an origin: give the scheme, the host"):
            make(allowed_origins=[origin])

    def test_no_origin(self, make: Any) -> None:
        with pytest.raises(ValueError, match="allowed_origins is empty"):
            make(allowed_origins=[])

    def test_everybody_with_credentials(self, make: Any) -> None:
        with pytest.raises(ValueError, match="browsers do not send credentials"):
            make(allowed_origins=["*"], allow_credentials=True)

    def test_an_unknown_method(self, make: Any) -> None:
        with pytest.raises(ValueError, match="'FETCH' is not an HTTP method: use one of"):
            make(allowed_origins=[ORIGIN], allowed_methods=["FETCH"])
