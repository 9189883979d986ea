"""The CloudWatch Logs filter pattern that selects lines with a session tag."""

from __future__ import annotations


def _any_case(word: str) -> str:
    return "".join(f"[{letter.lower()}{letter.upper()}]" for letter in word)


_BETWEEN_WORDS = r"_?-?\s?"
_SESSION = _BETWEEN_WORDS.join(map(_any_case, ("open", "replay", "session")))
_TOKEN, _ID = _any_case("token"), _any_case("id")
FILTER_PATTERN = (
    f"%{_SESSION}\\.?{_BETWEEN_WORDS}{_TOKEN}|{_SESSION}\\.?{_BETWEEN_WORDS}{_ID}"
    # "openReplaySession": {"id": AWS does not allow a quote in the pattern.
    rf"|{_SESSION}\W+{_ID}%"
)
"""Selects lines with a session tag or a misspelled one. CloudWatch Logs delivers no other lines.

The pattern uses the syntax that CloudWatch Logs supports: character classes, alternatives, ``?``,
``+``, ``\\.``, ``\\s`` and ``\\W``, but no groups and no flags (CloudWatch Logs User Guide,
"Supported regular expressions (regex) syntax"). A log group can have five filters with a regular
expression.
"""
