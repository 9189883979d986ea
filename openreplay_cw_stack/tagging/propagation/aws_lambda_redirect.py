"""A handler that tags a Lambda function without changing its code.

The construct's ``tag_errors_of(function)`` sets the function's handler to :func:`handler` and
stores the original handler's name in an environment variable. An exec wrapper
(``AWS_LAMBDA_EXEC_WRAPPER``) runs earlier and is unaffected.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.aws_lambda import tag_lambda_handler
from openreplay_cw_stack.tagging.propagation.installation import install
from openreplay_cw_stack.tagging.propagation.redirection import (
    HEADER_NAME_VARIABLE,
    LEVEL_VARIABLE,
    ORIGINAL_HANDLER_VARIABLE,
    TAG_STDOUT_VARIABLE,
    TAG_VARIABLE,
)
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME


def original_handler(name: str) -> Callable[[Any, Any], Any]:
    """Import the handler that a function's configuration names, such as ``shop/checkout.handler``.

    The name is resolved as Lambda does it: a module path with dots or slashes, a dot, and a name in
    that module. Exceptions of the module itself pass through.

    Raises:
        ImportError: the module does not exist.
        AttributeError: the module has no such name.
        ValueError: the name has no dot.
    """
    module, dot, function = name.rpartition(".")
    if not dot:
        raise ValueError(f"{ORIGINAL_HANDLER_VARIABLE} must name a module and a handler: {name!r}")
    handler: Callable[[Any, Any], Any] = getattr(
        importlib.import_module(module.replace("/", ".")), function
    )
    return handler


def _redirect() -> Callable[[Any, Any], Any]:
    stdout = os.environ.get(TAG_STDOUT_VARIABLE) == "true"
    is_id = os.environ.get(TAG_VARIABLE) == "id"
    level = os.environ.get(LEVEL_VARIABLE) or None
    install(stdout=stdout, tag="id" if is_id else None, level=level)
    found = original_handler(os.environ.get(ORIGINAL_HANDLER_VARIABLE, ""))
    # Again, because the function may have imported asyncio.
    install(stdout=stdout)
    header_name = os.environ.get(HEADER_NAME_VARIABLE) or HEADER_NAME
    return tag_lambda_handler(found, header_name=header_name)


handler = _redirect()
