"""CORS settings with which browsers send the session token to another origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from openreplay_cw_stack.tagging.propagation.cors import cors_allow_headers
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME

# These two are large, and are loaded where they are used.
if TYPE_CHECKING:
    from aws_cdk import aws_apigateway as apigateway
    from aws_cdk import aws_apigatewayv2 as apigatewayv2

M = TypeVar("M")
_ANY = "*"


def function_url_cors(
    *,
    allowed_origins: Sequence[str],
    allowed_methods: Sequence[str] = (_ANY,),
    allowed_headers: Sequence[str] = ("Content-Type",),
    header_name: str = HEADER_NAME,
    allow_credentials: bool = False,
    max_age: cdk.Duration | None = None,
) -> lambda_.FunctionUrlCorsOptions:
    """CORS settings of a function URL: ``function.add_function_url(cors=function_url_cors(...))``.

    Args:
        allowed_origins: of your pages, such as ``https://shop.example``; or ``*``.
        allowed_methods: such as ``POST``; default: all.
        allowed_headers: that your pages send besides the session token's.
        header_name: the header with the session token.
        allow_credentials: whether browsers send cookies.
        max_age: how long browsers remember the answer; default: their own choice.

    Raises:
        ValueError: an origin is none, is ``*`` with credentials, or a method is unknown.
    """
    _check(allowed_origins, allow_credentials)
    methods = {_ANY: lambda_.HttpMethod.ALL, **{one.name: one for one in lambda_.HttpMethod}}
    return lambda_.FunctionUrlCorsOptions(
        allowed_origins=list(allowed_origins),
        allowed_methods=[_known(method, methods) for method in allowed_methods],
        allowed_headers=cors_allow_headers(*allowed_headers, header_name=header_name),
        allow_credentials=allow_credentials,
        max_age=max_age,
    )


def http_api_cors(
    *,
    allowed_origins: Sequence[str],
    allowed_methods: Sequence[str] = (_ANY,),
    allowed_headers: Sequence[str] = ("Content-Type",),
    header_name: str = HEADER_NAME,
    allow_credentials: bool = False,
    max_age: cdk.Duration | None = None,
) -> apigatewayv2.CorsPreflightOptions:
    """CORS settings of an HTTP API: ``HttpApi(..., cors_preflight=http_api_cors(...))``.

    The arguments and errors are those of :func:`function_url_cors`.
    """
    from aws_cdk import aws_apigatewayv2 as apigatewayv2

    _check(allowed_origins, allow_credentials)
    methods = {
        _ANY: apigatewayv2.CorsHttpMethod.ANY,
        **{one.name: one for one in apigatewayv2.CorsHttpMethod},
    }
    return apigatewayv2.CorsPreflightOptions(
        allow_origins=list(allowed_origins),
        allow_methods=[_known(method, methods) for method in allowed_methods],
        allow_headers=cors_allow_headers(*allowed_headers, header_name=header_name),
        allow_credentials=allow_credentials,
        max_age=max_age,
    )


def rest_api_cors(
    *,
    allowed_origins: Sequence[str],
    allowed_methods: Sequence[str] = (_ANY,),
    allowed_headers: Sequence[str] = (),
    header_name: str = HEADER_NAME,
    allow_credentials: bool = False,
    max_age: cdk.Duration | None = None,
) -> apigateway.CorsOptions:
    """CORS settings of a REST API: ``RestApi(..., default_cors_preflight_options=...)``.

    With a proxy integration the function itself must answer with ``Access-Control-Allow-Origin``
    too. The headers that API Gateway's own clients send are allowed besides; the arguments and
    errors are those of :func:`function_url_cors`.
    """
    from aws_cdk import aws_apigateway as apigateway

    _check(allowed_origins, allow_credentials)
    every = apigateway.Cors.ALL_METHODS
    known = {method: [method] for method in every}
    methods = [_known(method, {_ANY: every, **known}) for method in allowed_methods]
    return apigateway.CorsOptions(
        allow_origins=list(allowed_origins),
        allow_methods=[one for group in methods for one in group],
        allow_headers=cors_allow_headers(
            *apigateway.Cors.DEFAULT_HEADERS, *allowed_headers, header_name=header_name
        ),
        allow_credentials=allow_credentials,
        max_age=max_age,
    )


def _known(method: str, methods: dict[str, M]) -> M:
    found = methods.get(method.upper())
    if found is None:
        raise ValueError(f"{method!r} is no HTTP method: use one of {', '.join(methods)}")
    return found


def _check(allowed_origins: Sequence[str], allow_credentials: bool) -> None:
    if not allowed_origins:
        raise ValueError("allowed_origins is empty: name your pages' origins, or '*'")
    for origin in allowed_origins:
        if origin == _ANY:
            if allow_credentials:
                raise ValueError(
                    "browsers send no credentials to '*': name the origins in allowed_origins"
                )
        elif not cdk.Token.is_unresolved(origin) and not _is_origin(origin):
            raise ValueError(
                f"{origin!r} in allowed_origins is no origin: write scheme and host, and the port "
                "where it is not the usual one, such as https://shop.example"
            )


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc) and f"{parts.scheme}://{parts.netloc}" == text
