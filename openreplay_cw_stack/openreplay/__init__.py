"""A client of OpenReplay's HTTP API: the login, integrations, and the probe of the bridge."""

from __future__ import annotations
