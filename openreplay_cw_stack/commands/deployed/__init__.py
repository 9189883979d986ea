"""Finding a deployment: its stack, its functions, its account and its secrets."""

from __future__ import annotations
