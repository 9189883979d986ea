"""Access to AWS with the credentials of the environment. boto3 is imported lazily."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.runtime.aws_calls import error_code

INSTALL = "pip install 'openreplay-cw-stack[cli]'"
"""Installs the packages of the commands that call AWS or print tables."""


def aws_client(service: str, **settings: Any) -> Any:
    """Create a boto3 client.

    Args:
        service: the service's name, such as ``logs``.
        settings: further arguments of ``boto3.client``.

    Raises:
        CommandFailed: boto3 is not installed, or has no region.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        raise CommandFailed(
            f"this command needs boto3, which is not installed: {INSTALL}"
        ) from None
    try:
        return boto3.client(service, **settings)
    except BotoCoreError as error:
        raise CommandFailed(f"cannot call AWS: {error}") from None


@contextmanager
def aws_must(what: str) -> Iterator[None]:
    """Run calls that the command depends on.

    Args:
        what: the purpose of the calls, such as ``read the stack Shop``.

    Raises:
        CommandFailed: AWS refuses a call; the message includes the text of AWS's error.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandFailed(f"cannot {what}: {error}") from None


@contextmanager
def must_read_log_group(client: Any, log_group: str) -> Iterator[None]:
    """Run calls that read a log group which the user named.

    Args:
        client: a client of CloudWatch Logs.
        log_group: the log group's name.

    Raises:
        CommandFailed: the log group does not exist, or AWS refuses a call.
    """
    with aws_must(f"read {log_group}"):
        try:
            yield
        except Exception as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise CommandFailed(
                f"log group {log_group} does not exist in {client.meta.region_name} and the "
                "account of your credentials; use credentials of the log group's account. "
                "AWS_REGION sets the region. `aws logs describe-log-groups` lists the names"
            ) from None


def dns_suffix(partition: str) -> str:
    """Return the DNS suffix of a partition's endpoints, such as ``amazonaws.com`` for ``aws``.

    botocore knows all partitions, including isolated ones.
    """
    import botocore.session

    endpoints = botocore.session.get_session().get_data("endpoints")
    suffixes = {one["partition"]: one["dnsSuffix"] for one in endpoints["partitions"]}
    return str(suffixes.get(partition, "amazonaws.com"))
