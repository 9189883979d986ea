"""CloudWatch log lines beside OpenReplay's session replays.

Importing this package requires neither ``aws_cdk`` nor ``boto3``: backends import
:mod:`openreplay_cw_stack.tagging` and Lambda functions :mod:`openreplay_cw_stack.runtime`
without them. The constructs below are imported lazily, and require the ``cdk`` extra:
``pip install 'openreplay-cw-stack[cdk]'``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openreplay_cw_stack.infra import (
        BridgeOptions,
        EncryptionOptions,
        Ingest,
        IngestStream,
        InvalidOptions,
        KeyRotation,
        Monitoring,
        MonitoringOptions,
        OpenReplayCloudWatch,
        OpenReplayCloudWatchOptions,
        OpenReplayCloudWatchStack,
        OpenReplayProject,
        PartOptions,
        ProjectRegistrations,
        RotationOptions,
        ServiceAccount,
        ServiceAccountAccess,
        ServiceAccountOptions,
        SessionSearchBridge,
        SourceRangeOptions,
        TaggingLayer,
        TaggingOptions,
        TokenValidator,
        TrackingOptions,
        ValidatorOptions,
        function_url_cors,
        http_api_cors,
        rest_api_cors,
    )
    from openreplay_cw_stack.tagging import Verdict

__all__ = [
    "BridgeOptions",
    "EncryptionOptions",
    "Ingest",
    "IngestStream",
    "InvalidOptions",
    "KeyRotation",
    "Monitoring",
    "MonitoringOptions",
    "OpenReplayCloudWatch",
    "OpenReplayCloudWatchOptions",
    "OpenReplayCloudWatchStack",
    "OpenReplayProject",
    "PartOptions",
    "ProjectRegistrations",
    "RotationOptions",
    "ServiceAccount",
    "ServiceAccountAccess",
    "ServiceAccountOptions",
    "SessionSearchBridge",
    "SourceRangeOptions",
    "TaggingLayer",
    "TaggingOptions",
    "TokenValidator",
    "TrackingOptions",
    "ValidatorOptions",
    "Verdict",
    "function_url_cors",
    "http_api_cors",
    "rest_api_cors",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name == "Verdict":
        return importlib.import_module("openreplay_cw_stack.tagging").Verdict
    try:
        infra = importlib.import_module("openreplay_cw_stack.infra")
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{name} requires {missing.name}: pip install 'openreplay-cw-stack[cdk]'"
        ) from missing
    return getattr(infra, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
