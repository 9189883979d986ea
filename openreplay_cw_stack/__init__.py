"""CloudWatch log lines beside OpenReplay's session replays.

Importing this package needs neither ``aws_cdk`` nor ``boto3``: backends import
:mod:`openreplay_cw_stack.tagging` and Lambda functions :mod:`openreplay_cw_stack.runtime`
without them. The constructs below are loaded when they are first named, and need the ``cdk``
extra: ``pip install 'openreplay-cw-stack[cdk]'``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openreplay_cw_stack.infra import (
        Ingest,
        KeyRotation,
        OpenReplayCloudWatch,
        OpenReplayCloudWatchStack,
        OpenReplayProject,
        ProjectRegistrations,
        ServiceAccount,
        ServiceAccountAccess,
        SessionSearchBridge,
        TaggingLayer,
        TokenValidator,
        function_url_cors,
        http_api_cors,
        rest_api_cors,
    )

__all__ = [
    "Ingest",
    "KeyRotation",
    "OpenReplayCloudWatch",
    "OpenReplayCloudWatchStack",
    "OpenReplayProject",
    "ProjectRegistrations",
    "ServiceAccount",
    "ServiceAccountAccess",
    "SessionSearchBridge",
    "TaggingLayer",
    "TokenValidator",
    "function_url_cors",
    "http_api_cors",
    "rest_api_cors",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        infra = importlib.import_module("openreplay_cw_stack.infra")
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{name} needs {missing.name}: pip install 'openreplay-cw-stack[cdk]'"
        ) from missing
    return getattr(infra, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
