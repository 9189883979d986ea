"""Decorator for AWS Lambda handlers behind API Gateway, load balancers or function URLs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, overload

from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader, Session

H = TypeVar("H", bound=Callable[..., Any])
_DEFAULT = HeaderReader()


def session_of_event(event: object, reader: HeaderReader = _DEFAULT) -> Session | None:
    """Return the session that the headers of a Lambda event name; None for other kinds of events.

    Supports events of API Gateway (REST and HTTP APIs, payload formats 1.0 and 2.0), of Application
    Load Balancers (single-value and multi-value headers) and of function URLs (AWS documentation,
    "Working with AWS Lambda proxy integrations for HTTP APIs", "Using Lambda functions as
    targets").
    """
    return reader.read(lambda name: _values(event, name))


@overload
def tag_lambda_handler(handler: H) -> H: ...
@overload
def tag_lambda_handler(
    handler: None = None,
    *,
    header_name: str = ...,
    accept_session_id: bool = ...,
    token_secret: bytes | str | None = ...,
) -> Callable[[H], H]: ...
@overload
def tag_lambda_handler(
    handler: H,
    *,
    header_name: str = ...,
    accept_session_id: bool = ...,
    token_secret: bytes | str | None = ...,
) -> H: ...
def tag_lambda_handler(
    handler: H | None = None,
    *,
    header_name: str = HEADER_NAME,
    accept_session_id: bool = False,
    token_secret: bytes | str | None = None,
) -> H | Callable[[H], H]:
    """Decorate a Lambda handler to run in the session that the event's header names.

    The session ends with the call, so the next event in the same process starts without one.

    Args:
        handler: the handler; omit it in ``@tag_lambda_handler(header_name=...)``.
        header_name: the header with the session token.
        accept_session_id: see :class:`HeaderReader`.
        token_secret: see :class:`HeaderReader`.

    Raises:
        ValueError: see :class:`HeaderReader`.
    """
    reader = HeaderReader(header_name, accept_session_id, token_secret)

    def decorate(function: H) -> H:
        position = _position_of_event(function)

        @functools.wraps(function)
        def tagged_handler(*args: Any, **kwargs: Any) -> Any:
            event = kwargs.get("event") if len(args) <= position else args[position]
            return run_in(session_of_event(event, reader), function, *args, **kwargs)

        return cast(H, tagged_handler)

    return decorate if handler is None else decorate(handler)


def _position_of_event(handler: Callable[..., Any]) -> int:
    """Return the index of the event argument: 0, or 1 after ``self`` or ``cls``."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    # The caller does not pass ``self`` to a bound method.
    is_bound = getattr(handler, "__self__", None) is not None
    return 1 if names[:1] in (("self",), ("cls",)) and not is_bound else 0


def _values(event: object, name: str) -> list[object]:
    if not isinstance(event, Mapping):
        return []
    wanted = name.lower()
    for key in ("multiValueHeaders", "headers"):
        headers = event.get(key)
        if isinstance(headers, Mapping):
            found = [value for header, value in headers.items() if str(header).lower() == wanted]
            values = [one for value in found for one in (value if _is_many(value) else [value])]
            if values:
                return values
    return []


def _is_many(value: object) -> bool:
    return isinstance(value, (list, tuple))
