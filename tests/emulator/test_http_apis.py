from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from emulator import Emulator
from tests.emulator.support import create_function, create_http_api

pytestmark = pytest.mark.emulator

ECHO = """
def handler(event, context):
    return {"statusCode": 200, "body": event["rawPath"]}
"""


def get(aws: Emulator, host: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint_url).netloc)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_an_api_answers_at_the_host_name_that_aws_gives_it(aws: Emulator) -> None:
    api = create_http_api(aws, create_function(aws, ECHO))
    host = f"{api}.execute-api.us-east-1.amazonaws.com"
    assert get(aws, host, "/logs/_search") == (200, "/logs/_search")
    assert get(aws, host, "/") == (200, "/")
    assert get(aws, f"{api}.execute-api.localhost", "/logs/_search") == (200, "/logs/_search")
    assert get(aws, "00000000.execute-api.us-east-1.amazonaws.com", "/")[0] == 404
