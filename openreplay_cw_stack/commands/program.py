"""The name of the program. Texts that print a command use it."""

from __future__ import annotations

PROGRAM = "openreplay-cw"
