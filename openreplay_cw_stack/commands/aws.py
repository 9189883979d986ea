"""AWS, with the credentials of the environment. boto3 is asked for where it is needed."""

from __future__ import annotations

from typing import Any

from openreplay_cw_stack.commands.errors import CommandFailed


def aws_client(service: str, **settings: str) -> Any:
    """A client of boto3's.

    Args:
        service: such as ``logs``.
        settings: what ``boto3.client`` takes beside it.

    Raises:
        CommandFailed: boto3 is not installed, or has no region.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        raise CommandFailed("to read the stack, install boto3: pip install boto3") from None
    try:
        return boto3.client(service, **settings)
    except BotoCoreError as error:
        raise CommandFailed(f"cannot ask AWS: {error}") from None


def asked(what: str, ask: Any, **arguments: str) -> Any:
    """The answer to a call without which the command cannot be run.

    Raises:
        CommandFailed: AWS refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask(**arguments)
    except (BotoCoreError, ClientError) as error:
        raise CommandFailed(f"cannot {what}: {error}") from None
