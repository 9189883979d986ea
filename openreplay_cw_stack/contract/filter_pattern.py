"""The CloudWatch Logs filter pattern that selects lines with a session tag, on the server."""

from __future__ import annotations


def _any_case(word: str) -> str:
    return "".join(f"[{letter.lower()}{letter.upper()}]" for letter in word)


_BETWEEN_WORDS = r"_?-?\s?"
_SESSION = _BETWEEN_WORDS.join(map(_any_case, ("open", "replay", "session")))
_TOKEN, _ID = _any_case("token"), _any_case("id")
FILTER_PATTERN = (
    f"%{_SESSION}\\.?{_BETWEEN_WORDS}{_TOKEN}|{_SESSION}\\.?{_BETWEEN_WORDS}{_ID}"
    # "openReplaySession": {"id": a quote is not among the characters that AWS allows.
    rf"|{_SESSION}\W+{_ID}%"
)
"""Selects the session tag and its misspellings on the server: other lines cost nothing.

One regular expression of the kind that CloudWatch Logs filter patterns have: character classes,
alternatives, ``?``, ``+``, ``\\.``, ``\\s`` and ``\\W``; no groups, no flags (CloudWatch Logs User
Guide, "Supported regular expressions (regex) syntax"). A log group can have five filters with one.
"""
