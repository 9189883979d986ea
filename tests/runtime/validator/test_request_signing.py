from __future__ import annotations

import datetime
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator.request_signing import signed_headers

HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "User-Agent": "a program",
    "X-Amz-Target": "Logs_20140328.PutLogEvents",
}
URLS = [
    "https://logs.eu-central-1.amazonaws.com/",
    "https://logs.cn-north-1.amazonaws.com.cn:443/",
    "http://127.0.0.1:4566/",
    "http://[::1]:80/",
    "http://[::1]:4566/",
    "https://proxy.example:80/logs/",
]


def as_botocore_signs(
    body: bytes, url: str, region: str, keys: tuple[str, str, str | None], now: datetime.datetime
) -> dict[str, str]:
    request = AWSRequest("POST", url, headers=HEADERS, data=body)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials(*keys), "logs", region).add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize("url", URLS)
@given(
    body=st.binary(max_size=40),
    region=st.sampled_from(["eu-central-1", "us-gov-west-1"]),
    secret=st.text("aA9/+=", min_size=1, max_size=40),
    token=st.none() | st.text("aA9/+=", min_size=1, max_size=99),
    now=st.datetimes(datetime.datetime(2026, 1, 1), timezones=st.just(datetime.timezone.utc)),
)
def test_the_headers_are_botocores(
    url: str, body: bytes, region: str, secret: str, token: str | None, now: datetime.datetime
) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret}
    if token:
        environment["AWS_SESSION_TOKEN"] = token
    ours = signed_headers(
        HEADERS,
        body,
        url=url,
        region=region,
        environment=environment,
        now=f"{now:%Y%m%dT%H%M%SZ}",
    )
    assert ours == as_botocore_signs(body, url, region, ("AKIDEXAMPLE", secret, token), now)
