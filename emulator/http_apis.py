"""HTTP APIs at the host names that AWS gives them, over HTTPS.

MiniStack 1.5.33 answers an API at ``ID.execute-api.localhost`` only, without TLS, while its
CloudFormation gives out ``ID.execute-api.REGION.amazonaws.com``. A function that calls such an
address asks the internet.

AWS answers at ``https://ID.execute-api.REGION.amazonaws.com/``, with a certificate that the
system's authorities vouch for (API Gateway Developer Guide, "Invoke URL for HTTP APIs").

Here a port of its own speaks TLS for the hosts of the emulator's region, with a self-signed
certificate of this run. Python functions resolve these names to it, and trust that certificate
beside the system's authorities, through SSL_CERT_FILE. Only connections by `socket.getaddrinfo` are
led there, as those of http.client, urllib3 and asyncio.
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
        domain: the names, without their first label.
    """

    listener: socket.socket
    certificate_file: Path
    key_file: Path
    trusted_file: Path
    hook_directory: Path
    domain: str


_installed: _Installed | None = None


def install() -> None:
    """Let MiniStack know the hosts, make certificates, take a port, and lead functions there.

    It is to run after `emulator.server.configure`, whose region and temporary directory it takes.
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
    # Functions inherit these, unless they set them themselves.
    os.environ.update(without_proxy(dict(os.environ), [f".{domain}"]))
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
        "domain": _installed.domain,
    }


def _redirection(domain: str, port: int) -> str:
    """Return a line of Python that leads the hosts of a domain to the port.

    It leaves no name behind, where a function's code could meet it.
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
    files.trusted_file.write_text(certificate + _trusted_otherwise())


def _trusted_otherwise() -> str:
    """Return the certificates of the file that SSL_CERT_FILE stands for.

    The directory that programs also look into stays in force.
    """
    file = ssl.get_default_verify_paths().cafile
    return "" if file is None else Path(file).read_text(errors="replace")


def certificate_for(name: str) -> tuple[str, str]:
    """Return a self-signed certificate for a DNS name, which may have a wildcard, and its key.

    Both are PEM. Python 3.13 insists on the key identifiers.
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
        # A certificate that is valid from this very second is refused by a clock that is behind.
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
