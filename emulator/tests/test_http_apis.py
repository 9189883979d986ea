from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator import Emulator, name_resolution
from emulator.tests.support import create_function, create_http_api

pytestmark = pytest.mark.emulator

ECHO = """
import json
def handler(event, context):
    seen = {name: event.get(name) for name in ("rawPath", "rawQueryString", "body")}
    seen["method"] = event["requestContext"]["http"]["method"]
    seen["host"] = event["headers"]["host"]
    return {"statusCode": 201, "headers": {"x-kept": "yes"}, "body": json.dumps(seen)}
"""
# Sends a request like a function on AWS, and prints the response.
ASKING = """
import http.client, json, ssl
def handler(event, context):
    connection = http.client.HTTPSConnection(
        event["host"], timeout=10, context=ssl.create_default_context()
    )
    try:
        connection.request("POST", event["path"], "hello", {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        return [answer.status, answer.getheader("x-kept"), json.load(answer)]
    except OSError as error:
        return [type(error).__name__, getattr(error, "verify_message", "")]
    finally:
        connection.close()
"""
SURROUNDINGS = """
import importlib.util, os, sys
def handler(event, context):
    return {
        "found": [name for name in event if importlib.util.find_spec(name)],
        "names": sorted(vars(sys.modules["__main__"])),
        "path": sys.path,
        "python_path": os.environ.get("PYTHONPATH"),
        "own": os.environ["SSL_CERT_FILE"],
    }
"""
# Connects to the TLS port, and prints for each name whether the certificate covers it.
VERIFYING = """
import json, socket, ssl, sys
host, flags, names = json.loads(sys.argv[1])
context = ssl.create_default_context()
context.verify_flags |= flags
for name in names:
    with socket.create_connection((host, 443), timeout=10) as connection:
        try:
            context.wrap_socket(connection, server_hostname=name).close()
            print("accepted")
        except ssl.SSLCertVerificationError as error:
            print(error.verify_message)
"""


def invoke(aws: Emulator, function: str, event: Any) -> Any:
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.load(answer["Payload"])
    assert "FunctionError" not in answer, content
    return content


@pytest.fixture(scope="module")
def echo(aws: Emulator) -> str:
    return create_function(aws, ECHO)


@pytest.fixture(scope="module")
def asking(aws: Emulator) -> str:
    return create_function(aws, ASKING)


@pytest.fixture(scope="module")
def host(aws: Emulator, echo: str) -> str:
    """Return the host of a new HTTP API."""
    return f"{create_http_api(aws, echo)}.execute-api.{aws.region}.amazonaws.com"


def path_at(aws: Emulator, host: str, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint_url).netloc)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    content = json.load(answer)
    connection.close()
    return answer.status, content.get("rawPath")


def test_an_api_answers_at_the_host_name_that_aws_gives_it(aws: Emulator, host: str) -> None:
    assert path_at(aws, host, "/logs/_search") == (201, "/logs/_search")
    assert path_at(aws, host, "/") == (201, "/")
    local = f"{host.partition('.')[0]}.execute-api.localhost"
    assert path_at(aws, local, "/logs/_search") == (201, "/logs/_search")
    assert path_at(aws, "00000000.execute-api.us-east-1.amazonaws.com", "/")[0] == 404


def test_a_function_calls_another_at_its_address(aws: Emulator, asking: str, host: str) -> None:
    status, kept, seen = invoke(aws, asking, {"host": host, "path": "/logs/_search?size=1&x=%2F"})
    assert (status, kept) == (201, "yes")
    assert seen == {
        "method": "POST",
        "host": host,
        "rawPath": "/logs/_search",
        "rawQueryString": "size=1&x=%2F",
        "body": "hello",
    }


def run(environment: dict[str, str], script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.check_output(command, env=environment, text=True, timeout=60).strip()


def test_a_program_of_this_machine_calls_one_too(aws: Emulator, host: str) -> None:
    asked = f"print(handler({{'host': {host!r}, 'path': '/x'}}, None)[:2])"
    assert run(aws.host_environment(), f"{ASKING}\n{asked}") == "[201, 'yes']"


def test_a_certificate_for_another_name_is_refused(aws: Emulator, host: str) -> None:
    others = ["example.org", f"a.{host}", host.partition(".")[2], f"{host}.example.org"]
    others.append(host.replace(aws.region, "eu-west-1"))
    # Python 3.13 verifies strictly by default.
    asked = json.dumps([host, ssl.VERIFY_X509_STRICT, [host, *others]])
    first, *rest = run(aws.host_environment(), VERIFYING, asked).splitlines()
    assert first == "accepted"
    assert len(rest) == len(others)
    assert all("Hostname mismatch" in message for message in rest)


def test_who_was_not_told_of_the_authority_does_not_trust_it(aws: Emulator, host: str) -> None:
    notified = aws.host_environment()
    untold = {name: value for name, value in notified.items() if name != "SSL_CERT_FILE"}
    assert "certificate" in run(untold, VERIFYING, json.dumps([host, 0, [host]]))
    assert run(notified, VERIFYING, json.dumps([host, 0, [host]])) == "accepted"


def test_the_systems_authorities_stay_trusted(aws: Emulator) -> None:
    def authorities(file: str) -> set[str]:
        found = ssl.create_default_context(cafile=file).get_ca_certs()
        return {json.dumps(one, sort_keys=True) for one in found}

    system = ssl.get_default_verify_paths().cafile
    before = set() if system is None else authorities(system)
    after = authorities(aws.host_environment()["SSL_CERT_FILE"])
    # The certificate of this run is not a certificate authority.
    assert before == after


def test_a_functions_code_meets_nothing_of_it(aws: Emulator) -> None:
    names = ["emulator", "http_apis", "name_resolution", "redirect"]
    seen = invoke(aws, create_function(aws, SURROUNDINGS), names)
    assert (seen["found"], seen["python_path"]) == ([], None)
    hosts = Path(seen["own"]).parent
    assert not any(Path(entry).is_relative_to(hosts) for entry in seen["path"])
    # `socket` and `functools` would be visible if the redirection ran in the worker's namespace.
    assert not {"redirect", "socket", "functools"} & set(seen["names"])


def test_the_environment_of_other_tools_has_nothing_of_it(aws: Emulator) -> None:
    child, host = aws.child_environment(), aws.host_environment()
    changed = {name for name in host if host[name] != child.get(name)}
    # With a proxy on this machine, the variables for exemptions also differ.
    assert changed - {"no_proxy", "NO_PROXY"} == {"SSL_CERT_FILE", "PYTHONPATH"}
    assert child.keys() <= host.keys()


def test_another_sitecustomize_and_python_path_stay(
    aws: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the other one')\n")
    (tmp_path / "beside.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = "import beside, sitecustomize, socket; print(sitecustomize.__file__)"
    printed = run(aws.host_environment(), script).splitlines()
    assert printed == ["the other one", str(tmp_path / "sitecustomize.py")]


def test_a_proxy_is_not_asked_for_these_hosts(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    script = (
        "import sys, urllib.request as r; print([bool(r.proxy_bypass(h)) for h in sys.argv[1:]])"
    )
    hosts = ["a.execute-api.us-east-1.amazonaws.com", "127.0.0.1", "example.org"]
    assert run(aws.host_environment(), script, *hosts) == "[True, True, False]"


class TestRedirection:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """The calls of the resolver behind a redirection of "x.here" to port 7."""
        asked: list[Any] = []
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *call, **named: asked.append((call, named))
        )
        name_resolution.redirect("[a-z0-9-]+[.]here", 7)
        return asked

    @pytest.mark.parametrize("host", ["x.here", "X.Here", "x.here.", b"x.here", "a-1.here"])
    @pytest.mark.parametrize("port", [443, "443", "https"])
    def test_https_at_a_host(self, asked: list[Any], host: Any, port: Any) -> None:
        socket.getaddrinfo(host, port, socket.AF_INET, type=socket.SOCK_STREAM)
        assert asked == [(("127.0.0.1", 7, socket.AF_INET), {"type": socket.SOCK_STREAM})]
        socket.getaddrinfo(port=port, host=host)
        assert asked[1] == (("127.0.0.1", 7), {})

    @pytest.mark.parametrize(
        ("host", "port"),
        [
            *[("x.here", port) for port in (80, 8443, 0, None, "http", 4430, b"443")],
            *[
                (host, 443)
                for host in ("here", ".here", "a.x.here", "x.here.org", "xhere", "x.here..")
            ],
            *[(host, 443) for host in (None, "", "x.here\n", b"\xff.here", "localhost", "::1")],
        ],
    )
    def test_anything_else_is_asked_for_as_it_is(
        self, asked: list[Any], host: Any, port: Any
    ) -> None:
        socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        assert asked == [((host, port, 0, socket.SOCK_STREAM), {})]
