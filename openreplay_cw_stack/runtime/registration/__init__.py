"""Writes the bridge into OpenReplay's integration form, over its HTTP API."""

from __future__ import annotations
