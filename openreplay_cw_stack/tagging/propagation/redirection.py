"""The environment variables of a redirected Lambda handler, shared with the construct."""

from __future__ import annotations

REDIRECTED_HANDLER = "openreplay_cw_stack.tagging.propagation.aws_lambda_redirect.handler"
"""The handler that replaces the function's original one."""

NODEJS_REDIRECTED_HANDLER = "/opt/nodejs/node_modules/openreplay-cw-tagging/lambda.handler"
"""The handler that replaces the original one of a Node.js function. Layers are in ``/opt``."""

ORIGINAL_HANDLER_VARIABLE = "OPENREPLAY_ORIGINAL_HANDLER"
"""Environment variable: the original handler."""

HEADER_NAME_VARIABLE = "OPENREPLAY_SESSION_TOKEN_HEADER"
"""Environment variable: the header with the session token, if it has another name."""

TAG_STDOUT_VARIABLE = "OPENREPLAY_TAG_STDOUT"
"""Environment variable: ``true`` also tags stdout."""

TAG_VARIABLE = "OPENREPLAY_TAG"
"""Environment variable: ``id`` writes the session id instead of the session token."""

LEVEL_VARIABLE = "OPENREPLAY_TAG_LEVEL"
"""Environment variable: the lowest level of log records to tag; a number or a name."""
