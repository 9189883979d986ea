"""AWS Signature Version 4 for the requests that CloudWatch Logs takes: a POST of JSON.

AWS documentation, "Create a signed AWS API request". botocore's signer takes longer than all else
that is done to a payload of few lines. A test holds the two together.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed_headers(
    headers: dict[str, str],
    body: bytes,
    *,
    url: str,
    region: str,
    environment: Mapping[str, str],
    now: str,
) -> dict[str, str]:
    """The headers with the ones that sign them and the body. All but ``User-Agent`` are signed.

    The environment has the keys; ``now`` is UTC, as ``20261124T031149Z``. The URL has no query,
    and no header's value two blanks together.
    """
    headers = {**headers, "X-Amz-Date": now}
    if environment.get("AWS_SESSION_TOKEN"):
        headers["X-Amz-Security-Token"] = environment["AWS_SESSION_TOKEN"]
    signed = {name.lower(): value for name, value in headers.items() if name != "User-Agent"}
    signed["host"], path = _host_and_path(url)
    names = sorted(signed)
    signed_names = ";".join(names)
    lines = "".join([f"{name}:{signed[name]}\n" for name in names])
    digest = hashlib.sha256(body).hexdigest()
    request = f"POST\n{path}\n\n{lines}\n{signed_names}\n{digest}"
    scope = f"{now[:8]}/{region}/logs/aws4_request"
    text = f"{_ALGORITHM}\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = _signing_key(environment["AWS_SECRET_ACCESS_KEY"], scope)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{environment['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["Authorization"] = (
        f"{_ALGORITHM} Credential={credential}, SignedHeaders={signed_names}, Signature={signature}"
    )
    return headers


@functools.lru_cache(maxsize=1)
def _signing_key(secret_access_key: str, scope: str) -> bytes:
    """It is the same all day."""
    key = f"AWS4{secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@functools.lru_cache(maxsize=1)
def _host_and_path(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    default_port = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower().removesuffix(default_port), parts.path or "/"
