"""CORS settings that allow browsers to send the session token to another origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from openreplay_cw_stack.tagging.propagation.cors import cors_allow_headers
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME

# These two packages are large and are imported lazily.
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
    """Return CORS settings for ``function.add_function_url(cors=function_url_cors(...))``.

    Args:
        allowed_origins: the origins of your pages, such as ``https://shop.example``; or ``*``.
        allowed_methods: HTTP methods, such as ``POST``; default: all.
        allowed_headers: headers that your pages send besides the session token's header.
        header_name: the header with the session token.
        allow_credentials: whether browsers send cookies.
        max_age: how long browsers cache the preflight response; default: the browser decides.

    Raises:
        ValueError: a text is not an origin, ``*`` is combined with credentials, or a method is
            unknown.
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
    """Return CORS settings for ``HttpApi(..., cors_preflight=http_api_cors(...))``.

    See :func:`function_url_cors` for the arguments and errors.
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
    """Return CORS settings for ``RestApi(..., default_cors_preflight_options=...)``.

    With a proxy integration, the function's response must have ``Access-Control-Allow-Origin``,
    too. The settings also allow the headers that API Gateway's own clients send. See
    :func:`function_url_cors` for the arguments and errors.
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
        raise ValueError(f"{method!r} is not an HTTP method: use one of {', '.join(methods)}")
    return found


def _check(allowed_origins: Sequence[str], allow_credentials: bool) -> None:
    if not allowed_origins:
        raise ValueError("allowed_origins is empty: name the origins of your pages, or '*'")
    for origin in allowed_origins:
        if origin == _ANY:
            if allow_credentials:
                raise ValueError(
                    "browsers do not send credentials to '*': name the origins in allowed_origins"
                )
        elif not cdk.Token.is_unresolved(origin) and not _is_origin(origin):
            raise ValueError(
                f"{origin!r} in allowed_origins is not an origin: give the scheme, the host, and "
                "the port if it is not the default, such as https://shop.example"
            )


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc) and f"{parts.scheme}://{parts.netloc}" == text
