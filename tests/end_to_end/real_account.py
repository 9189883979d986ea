"""The end-to-end tests' account: the embedded AWS, or the one of the operator's credentials.

``OPENREPLAY_CW_TEST_ACCOUNT=aws`` chooses the second, as ``make test-aws`` does. Everything that is
created there has :data:`PREFIX` in its name, and is removed again, after failures as well.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3

from openreplay_cw_stack.version import VERSION

VARIABLE = "OPENREPLAY_CW_TEST_ACCOUNT"
REPORT_VARIABLE = "OPENREPLAY_CW_TEST_REPORT"
PREFIX = f"openreplay-cw-test-{secrets.token_hex(4)}"


def is_chosen() -> bool:
    """Whether the tests run against the account of the operator's credentials."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen not in ("", "aws"):
        raise ValueError(f"{VARIABLE} must be aws, or not set")
    return chosen == "aws"


class RealAccount:
    """The account, with the part of ``Emulator`` that tests of both use."""

    def __init__(self) -> None:
        self._session = boto3.session.Session()
        self.region = str(self._session.region_name)
        self.account_id = str(self.client("sts").get_caller_identity()["Account"])

    def client(
        self,
        service: str,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> Any:
        """A client, with the operator's credentials or with others."""
        return self._session.client(
            service,
            region_name=self.region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
        )

    def child_environment(self) -> dict[str, str]:
        """The environment of a command, such as the CDK CLI."""
        return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}

    def evaluate_iam(self, is_on: bool) -> None:
        """AWS always evaluates it."""

    def gateway(self, url: str) -> str:
        """Where an HTTP API answers: at its own address, or at the endpoint of AWS."""
        return os.environ.get("AWS_ENDPOINT_URL") or url


class Report:
    """Answers to what AWS's documentation leaves open, in a file that is complete at any time."""

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._head = (
            f"# What {account} answers\n\n"
            f"openreplay-cw-stack {VERSION}, {time.strftime('%Y-%m-%d %H:%M')}, {PREFIX}\n\n"
            "| question | answer |\n|---|---|\n"
        )
        self._rows: list[str] = []

    def answer(self, question: str, answer: object) -> None:
        """Add an answer."""
        text = str(answer).replace("|", "\\|").replace("\n", " ")
        self._rows.append(f"| {question} | {text} |\n")
        self._path.write_text(self._head + "".join(self._rows))


def left_behind(account: Any) -> list[str]:
    """The names of what has the prefix in its name and is still there."""
    logs, iam = account.client("logs"), account.client("iam")
    found = [
        one["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for one in page["logGroups"]
    ]
    for kind, member, name in (
        ("list_users", "Users", "UserName"),
        ("list_roles", "Roles", "RoleName"),
    ):
        pages = iam.get_paginator(kind).paginate()
        found += [one[name] for page in pages for one in page[member]]
    secrets_pages = account.client("secretsmanager").get_paginator("list_secrets").paginate()
    found += [one["Name"] for page in secrets_pages for one in page["SecretList"]]
    tables = account.client("dynamodb").get_paginator("list_tables").paginate()
    found += [name for page in tables for name in page["TableNames"]]
    functions = account.client("lambda").get_paginator("list_functions").paginate()
    found += [one["FunctionName"] for page in functions for one in page["Functions"]]
    stacks = account.client("cloudformation").get_paginator("describe_stacks").paginate()
    found += [one["StackName"] for page in stacks for one in page["Stacks"]]
    return [name for name in found if PREFIX in name]


def ignoring_what_is_gone(calls: Iterable[Callable[[], object]]) -> None:
    """Make calls that remove something; what is not there need not be removed."""
    for call in calls:
        try:
            call()
        except Exception as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            if code not in ("ResourceNotFoundException", "NoSuchEntity", "ValidationError"):
                raise
