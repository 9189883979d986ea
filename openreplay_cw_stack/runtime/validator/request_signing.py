"""AWS Signature Version 4 for requests of one shape: a POST of JSON to an endpoint.

AWS documentation, "Create a signed AWS API request". botocore's signer does the same for every
shape there is; for a payload of few lines that costs more than everything else that is done to it,
and importing it is a part of every cold start. A test holds the two together.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from urllib.parse import urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def signed_headers(
    headers: dict[str, str],
    body: bytes,
    *,
    url: str,
    region: str,
    service: str,
    access_key_id: str,
    secret_access_key: str,
    session_token: str | None,
    now: str,
) -> dict[str, str]:
    """The headers with the ones that sign them and the body. All but ``User-Agent`` are signed.

    Args:
        headers: their values have no blanks at the ends, nor two together.
        body: what is sent.
        url: of the endpoint, without a query.
        region: that the endpoint is in.
        service: the name that its requests are signed for.
        access_key_id: the key that signs.
        secret_access_key: its secret.
        session_token: of temporary credentials.
        now: UTC, as ``20261124T031149Z``.
    """
    headers = {**headers, "X-Amz-Date": now}
    if session_token:
        headers["X-Amz-Security-Token"] = session_token
    signed = {name.lower(): value for name, value in headers.items() if name != "User-Agent"}
    signed["host"], path = _host_and_path(url)
    names = sorted(signed)
    signed_names = ";".join(names)
    lines = "".join([f"{name}:{signed[name]}\n" for name in names])
    digest = hashlib.sha256(body).hexdigest()
    request = f"POST\n{path}\n\n{lines}\n{signed_names}\n{digest}"
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = _signing_key(secret_access_key, scope)
    headers["Authorization"] = (
        f"{_ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={signed_names}, "
        f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
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
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    is_named = parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme)
    return (f"{host}:{parts.port}" if is_named else host), parts.path or "/"
