"""Helpers that the constructs share. Not part of the public API."""

from __future__ import annotations
