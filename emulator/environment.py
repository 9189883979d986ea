"""The environment of programs that call the emulator: variables, proxies and a boto3 session."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import boto3.session
import botocore.session

ROOT_KEY = "test"


def environment_for(endpoint_url: str, region: str) -> dict[str, str]:
    """Return the environment variables that direct tools to an emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def host_free_session() -> Any:
    """Return a boto3 session that ignores configuration files and profile variables."""
    nothing = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    variables = {"profile": nothing, "config_file": no_file, "credentials_file": no_file}
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=variables))


def without_proxy(
    environment: dict[str, str], hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> dict[str, str]:
    """Return the environment with these hosts exempt from its proxy, if any."""
    names = {name.lower() for name in environment}
    if not names & {"http_proxy", "https_proxy", "all_proxy"}:
        return environment
    exempted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    value = ",".join(filter(None, [exempted, *hosts]))
    return {**environment, "no_proxy": value, "NO_PROXY": value}
