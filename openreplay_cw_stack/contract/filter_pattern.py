"""The CloudWatch Logs filter pattern that selects lines with a session tag, on the server."""

from __future__ import annotations


def _any_case(word: str) -> str:
    return "".join(f"[{letter.lower()}{letter.upper()}]" for letter in word)


_NAME = "[_-]?".join(map(_any_case, ("open", "replay", "session")))
FILTER_PATTERN = f"%{_NAME}[._-]?{_any_case('token')}|{_NAME}[._-]?{_any_case('id')}%"
"""Selects the session tag and its misspellings on the server: other lines cost nothing.

One regular expression of the kind that CloudWatch Logs filter patterns have: character classes and
alternatives, no groups, no flags (AWS documentation, "Supported regular expressions (regex)
syntax"). A log group can have five filters with one.
"""
