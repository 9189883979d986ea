"""The token secret as Secrets Manager has it. Errors leave here as their code alone."""

from __future__ import annotations

from typing import Any

from openreplay_cw_stack.runtime.aws_calls import aws_client, error_code
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable


class SecretsManagerReader:
    """Reads the current value of one secret; a line break at its end is not part of it."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._given_client = client

    def __call__(self) -> bytes:
        """The secret's value; raises SecretUnreadable."""
        try:
            client = self._given_client or aws_client("secretsmanager", attempts=3, read_timeout=5)
            value = client.get_secret_value(SecretId=self._arn)
        except Exception as error:
            raise SecretUnreadable(error_code(error)) from None
        text = value.get("SecretString")
        secret = text.encode() if isinstance(text, str) else value.get("SecretBinary", b"")
        secret = secret.rstrip(b"\r\n")
        if not secret:
            raise SecretUnreadable("the secret is empty")
        return bytes(secret)
