"""Function URLs and HTTP APIs at their real addresses, over HTTPS.

MiniStack 1.5.33 gives out ``https://ID.lambda-url.REGION.on.aws/``, and answers it only to who asks
its own address, over HTTP, with that name as the Host header. A function that calls such an address
asks the internet.

AWS: Lambda Developer Guide, "Creating and managing Lambda function URLs": a function URL is
``https://ID.lambda-url.REGION.on.aws``. API Gateway Developer Guide, "Invoke URL for HTTP APIs":
the default endpoint of an API is ``https://ID.execute-api.REGION.amazonaws.com/``. Both are called
from everywhere, with a certificate that the system's authorities vouch for.

Here a port of its own speaks TLS for the hosts of the emulator's region, with a certificate from
an authority of this run. Python functions resolve these names to it, and trust that authority
beside the system's, through SSL_CERT_FILE; what else they resolve and trust stays as it is. Only
connections by `socket.getaddrinfo` are led there, as those of http.client, urllib3 and asyncio.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

from emulator import certificates, name_resolution, patching
from emulator.process import without_proxy

_DOMAINS = ("lambda-url.{region}.on.aws", "execute-api.{region}.amazonaws.com")

# For programs that are no functions: Python imports it at its start. It makes way for another one.
_SITECUSTOMIZE = """\
{redirection}
import os, sys
sys.path.remove(os.path.dirname(__file__))
del sys.modules["sitecustomize"]
import sitecustomize
"""


@dataclass(frozen=True)
class _Installed:
    """What one emulator has for these hosts.

    Attributes:
        listener: the socket of the TLS port.
        certificate_file: the server's certificate.
        key_file: its key.
        trusted_file: the certificates that clients trust.
        hook_directory: what a program has on its PYTHONPATH to find the hosts.
        domains: the names, without their first label.
    """

    listener: socket.socket
    certificate_file: Path
    key_file: Path
    trusted_file: Path
    hook_directory: Path
    domains: list[str]


_installed: _Installed | None = None


def install() -> None:
    """Make the certificates, take a port, and let Python functions find the hosts there.

    It is to run after `emulator.server.configure`, whose region and temporary directory it takes.
    """
    global _installed
    patching.require(lambda_runtime, ["_PYTHON_WORKER_SCRIPT"])
    region = os.environ["MINISTACK_REGION"]
    domains = [domain.format(region=region) for domain in _DOMAINS]
    listener = socket.create_server(("127.0.0.1", 0))
    redirection = _redirection(domains, listener.getsockname()[1])
    directory = Path(os.environ["TMPDIR"]) / "function-hosts"
    _installed = _Installed(
        listener=listener,
        certificate_file=directory / "certificate.pem",
        key_file=directory / "key.pem",
        trusted_file=directory / "trusted.pem",
        hook_directory=directory / "python",
        domains=domains,
    )
    _write(_installed, redirection)
    # Functions inherit these, unless they set them themselves.
    os.environ.update(without_proxy(dict(os.environ), [f".{domain}" for domain in domains]))
    os.environ["SSL_CERT_FILE"] = str(_installed.trusted_file)
    script = f"{redirection}\n{lambda_runtime._PYTHON_WORKER_SCRIPT}"
    patching.replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)


def serve_with(config: Any) -> None:
    """Have hypercorn serve these hosts too, beside what the configuration binds without TLS."""
    assert _installed is not None
    config.certfile = str(_installed.certificate_file)
    config.keyfile = str(_installed.key_file)
    # What MiniStack is known to work with.
    config.alpn_protocols = ["http/1.1"]
    config.bind = [f"fd://{_installed.listener.detach()}"]


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Answer with what a Python program of this machine needs to reach the hosts."""
    assert _installed is not None
    return 200, {
        "trusted_file": str(_installed.trusted_file),
        "hook_directory": str(_installed.hook_directory),
        "domains": _installed.domains,
    }


def _redirection(domains: list[str], port: int) -> str:
    """Return a line of Python that leads the hosts of these domains to the port.

    It leaves no name behind, where a function's code could meet it.
    """
    text = Path(name_resolution.__file__).read_text()
    hosts = "[a-z0-9-]+[.](?:" + "|".join(map(re.escape, domains)) + ")"
    return f"exec({text + f'redirect({hosts!r}, {port})'!r}, {{}})"


def _write(files: _Installed, redirection: str) -> None:
    files.hook_directory.mkdir(parents=True)
    hook = files.hook_directory / "sitecustomize.py"
    hook.write_text(_SITECUSTOMIZE.format(redirection=redirection))
    issued = certificates.issue([f"*.{domain}" for domain in files.domains])
    files.certificate_file.write_text(issued.certificate)
    files.key_file.touch(mode=0o600)
    files.key_file.write_text(issued.key)
    files.trusted_file.write_text(issued.authority + _trusted_otherwise())


def _trusted_otherwise() -> str:
    """Return the certificates of the file that SSL_CERT_FILE stands for.

    The directory that programs also look into stays in force.
    """
    file = ssl.get_default_verify_paths().cafile
    return "" if file is None else Path(file).read_text(errors="replace")
