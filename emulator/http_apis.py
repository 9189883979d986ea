"""HTTP APIs at the host names that AWS gives them.

MiniStack 1.5.33 answers an API at ``ID.execute-api.localhost`` only, while its CloudFormation gives
out ``ID.execute-api.REGION.amazonaws.com``.

AWS: API Gateway Developer Guide, "Invoke URL for HTTP APIs": the default endpoint of an API is
``https://ID.execute-api.REGION.amazonaws.com/``, and its ``$default`` stage is served at the root.
"""

from __future__ import annotations

import re

from ministack import app

from emulator import patching

_HOST = re.compile(
    r"^([a-f0-9]{8})\.execute-api\.(?:localhost|[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)(?::\d+)?$"
)


def install() -> None:
    """Let MiniStack know an API by AWS's host name as well."""
    patching.replace(app, "_EXECUTE_API_RE", _HOST)
