"""HTTP APIs at AWS's host names, over HTTPS.

MiniStack 1.5.33 serves an API only at ``ID.execute-api.localhost``, without TLS, although its
CloudFormation returns ``ID.execute-api.REGION.amazonaws.com``. A function that calls that address
reaches the internet.

AWS serves an API at ``https://ID.execute-api.REGION.amazonaws.com/``, with a certificate from a
public authority (API Gateway Developer Guide, "Invoke URL for HTTP APIs").

Here a separate TLS port serves the hosts of the emulator's region, with a self-signed certificate
that is new in each run. Python functions resolve these names to that port. SSL_CERT_FILE makes them
trust the certificate in addition to the system's authorities. This works only for connections
through `socket.getaddrinfo`, such as those of http.client, urllib3 and asyncio.
"""

from __future__ import annotations

import datetime
import os
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from ministack import app
from ministack.core import lambda_runtime

from emulator import name_resolution, patching
from emulator.environment import without_proxy

_HOST = re.compile(
    r"^([a-f0-9]{8})\.execute-api\.(?:localhost|[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)(?::\d+)?$"
)

# For programs other than functions: Python imports it at startup. It then runs the one it hides.
_SITECUSTOMIZE = """\
{redirection}
import os, sys
sys.path.remove(os.path.dirname(__file__))
del sys.modules["sitecustomize"]
import sitecustomize
"""


@dataclass(frozen=True)
class _Installed:
    """The files and the socket of an emulator for these hosts.

    Attributes:
        listener: the socket of the TLS port.
        certificate_file: the server's certificate.
        key_file: its key.
        trusted_file: the certificates that clients trust.
        hook_directory: the directory that a program needs in PYTHONPATH to resolve the hosts.
        domain: the host names without their first label.
    """

    listener: socket.socket
    certificate_file: Path
    key_file: Path
    trusted_file: Path
    hook_directory: Path
    domain: str


_installed: _Installed | None = None


def install() -> None:
    """Serve the hosts: create certificates, open a port, and redirect functions to it.

    Call it after `emulator.server.configure`, whose region and temporary directory it uses.
    """
    global _installed
    patching.replace(app, "_EXECUTE_API_RE", _HOST)
    patching.require(lambda_runtime, ["_PYTHON_WORKER_SCRIPT"])
    domain = f"execute-api.{os.environ['MINISTACK_REGION']}.amazonaws.com"
    listener = socket.create_server(("127.0.0.1", 0))
    redirection = _redirection(domain, listener.getsockname()[1])
    directory = Path(os.environ["TMPDIR"]) / "http-apis"
    _installed = _Installed(
        listener=listener,
        certificate_file=directory / "certificate.pem",
        key_file=directory / "key.pem",
        trusted_file=directory / "trusted.pem",
        hook_directory=directory / "python",
        domain=domain,
    )
    _write(_installed, redirection)
    # Functions inherit these variables unless they set them.
    os.environ.update(without_proxy(dict(os.environ), [f".{domain}"]))
    os.environ["SSL_CERT_FILE"] = str(_installed.trusted_file)
    script = f"{redirection}\n{lambda_runtime._PYTHON_WORKER_SCRIPT}"
    patching.replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)


def serve_with(config: Any) -> None:
    """Make hypercorn also serve these hosts, beside the sockets without TLS."""
    assert _installed is not None
    config.certfile = str(_installed.certificate_file)
    config.keyfile = str(_installed.key_file)
    # MiniStack is known to work with HTTP/1.1.
    config.alpn_protocols = ["http/1.1"]
    config.bind = [f"fd://{_installed.listener.detach()}"]


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Return the settings that a Python program on this machine needs to reach the hosts."""
    assert _installed is not None
    return 200, {
        "trusted_file": str(_installed.trusted_file),
        "hook_directory": str(_installed.hook_directory),
        "domain": _installed.domain,
    }


def _redirection(domain: str, port: int) -> str:
    """Return a line of Python that redirects the hosts of a domain to the port.

    It defines no name that a function's code could see.
    """
    text = Path(name_resolution.__file__).read_text()
    hosts = "[a-z0-9-]+[.]" + re.escape(domain)
    return f"exec({text + f'redirect({hosts!r}, {port})'!r}, {{}})"


def _write(files: _Installed, redirection: str) -> None:
    files.hook_directory.mkdir(parents=True)
    hook = files.hook_directory / "sitecustomize.py"
    hook.write_text(_SITECUSTOMIZE.format(redirection=redirection))
    certificate, key = certificate_for(f"*.{files.domain}")
    files.certificate_file.write_text(certificate)
    files.key_file.touch(mode=0o600)
    files.key_file.write_text(key)
    files.trusted_file.write_text(certificate + _system_certificates())


def _system_certificates() -> str:
    """Return the CA certificates of SSL_CERT_FILE or the default file.

    The CA directory is not included, because programs still read it.
    """
    file = ssl.get_default_verify_paths().cafile
    return "" if file is None else Path(file).read_text(errors="replace")


def certificate_for(name: str) -> tuple[str, str]:
    """Return a self-signed certificate for a DNS name, possibly with a wildcard, and its key.

    Both are in PEM format. Python 3.13 requires the key identifiers.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The emulator of one run")])
    now = datetime.datetime.now(datetime.timezone.utc)
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A client whose clock is behind would reject a certificate that is valid from now on.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority_id, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    return certificate.public_bytes(pem).decode(), private.decode()
