"""The variables that name a Lambda function's own handler: shared with the construct."""

from __future__ import annotations

REDIRECTED_HANDLER = "openreplay_cw_stack.tagging.propagation.aws_lambda_redirect.handler"
"""The handler that such a function has."""

ORIGINAL_HANDLER_VARIABLE = "OPENREPLAY_ORIGINAL_HANDLER"
"""Environment variable: the handler that it had."""

HEADER_NAME_VARIABLE = "OPENREPLAY_SESSION_TOKEN_HEADER"
"""Environment variable: the header with the session token, where it has another name."""

TAG_STDOUT_VARIABLE = "OPENREPLAY_TAG_STDOUT"
"""Environment variable: ``true`` tags what is printed to stdout as well."""

TAG_VARIABLE = "OPENREPLAY_TAG"
"""Environment variable: ``id`` writes the session id in place of the session token."""

LEVEL_VARIABLE = "OPENREPLAY_TAG_LEVEL"
"""Environment variable: the level from which log records are tagged; a number or a name."""
