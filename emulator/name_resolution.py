"""Redirects a Python program's connections to certain host names to a local port.

The source of this file runs in processes that cannot import this package, so it only uses the
standard library.
"""

import functools
import re
import socket
from typing import Any


def redirect(hosts: str, to_port: int) -> None:
    """Make `socket.getaddrinfo` resolve HTTPS at these hosts to a port of the loopback interface.

    Other names, and other ports of these names, resolve as before.

    Args:
        hosts: a regular expression for the whole name, in lower case.
        to_port: the local port of the hosts.
    """
    resolve = socket.getaddrinfo
    pattern = re.compile(hosts)

    @functools.wraps(resolve)
    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        is_ours = pattern.fullmatch(name.lower().removesuffix("."))
        if is_ours and str(port) in ("443", "https"):
            host, port = "127.0.0.1", to_port
        return resolve(host, port, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
