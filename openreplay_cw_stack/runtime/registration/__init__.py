"""Tells OpenReplay of the bridge, over its HTTP API, so that nobody fills in its form."""

from __future__ import annotations
