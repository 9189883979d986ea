"""The name of the program, for texts that contain a command."""

from __future__ import annotations

PROGRAM = "openreplay-cw"
