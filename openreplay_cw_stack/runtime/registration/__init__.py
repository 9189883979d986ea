"""Register the bridge in OpenReplay's integration form, through OpenReplay's HTTP API."""

from __future__ import annotations
