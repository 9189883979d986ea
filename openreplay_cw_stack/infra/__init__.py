"""The constructs. The only package here that imports aws_cdk; needs the ``cdk`` extra."""

from __future__ import annotations

from openreplay_cw_stack.infra.open_replay_cloud_watch import OpenReplayCloudWatch
from openreplay_cw_stack.infra.service_account import ServiceAccount, ServiceAccountAccess
from openreplay_cw_stack.infra.session_search_bridge import BridgeEndpoint, SessionSearchBridge
from openreplay_cw_stack.infra.stack import OpenReplayCloudWatchStack
from openreplay_cw_stack.infra.token_validator import TokenValidator

__all__ = [
    "BridgeEndpoint",
    "OpenReplayCloudWatch",
    "OpenReplayCloudWatchStack",
    "ServiceAccount",
    "ServiceAccountAccess",
    "SessionSearchBridge",
    "TokenValidator",
]
