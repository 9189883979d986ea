"""The constructs. The only package here that imports aws_cdk; needs the ``cdk`` extra."""

from __future__ import annotations

from openreplay_cw_stack.infra.choices import Ingest, ServiceAccountAccess
from openreplay_cw_stack.infra.cors import function_url_cors, http_api_cors, rest_api_cors
from openreplay_cw_stack.infra.ingest_stream import IngestStream
from openreplay_cw_stack.infra.internal.option_checks import InvalidOptions
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.observability.monitoring import Monitoring
from openreplay_cw_stack.infra.open_replay_cloud_watch import OpenReplayCloudWatch
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.infra.options import (
    BridgeOptions,
    EncryptionOptions,
    MonitoringOptions,
    OpenReplayCloudWatchOptions,
    PartOptions,
    RotationOptions,
    ServiceAccountOptions,
    SourceRangeOptions,
    TrackingOptions,
    ValidatorOptions,
)
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.service_account import ServiceAccount
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.stack import OpenReplayCloudWatchStack
from openreplay_cw_stack.infra.tagging_layer import TaggingLayer, TaggingOptions
from openreplay_cw_stack.infra.token_validator import TokenValidator

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
    "function_url_cors",
    "http_api_cors",
    "rest_api_cors",
]
