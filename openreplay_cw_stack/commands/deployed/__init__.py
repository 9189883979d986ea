"""Finds a deployment: its stack, account, functions, tracked log groups and secrets."""

from __future__ import annotations
