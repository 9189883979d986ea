r"""The filter patterns of CloudWatch Logs for unstructured log events.

MiniStack 1.5.33 has two matchers, and both are wrong. The matcher for subscription filters requires
every word of the pattern, so `?a ?b` means AND, quotes and regular expressions have no meaning, and
an exclusion acts as an inclusion. The matcher for FilterLogEvents ignores case and supports shell
wildcards. Both accept every pattern, so a pattern that AWS rejects can be deployed.

AWS matches substrings, and case matters. Several terms must all occur, `-term` must not occur, and
one of `?a ?b` must occur. A term with characters other than letters, digits and underscores must be
quoted (CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters,
filter log events, and Live Tail"). Terms with `?` are ignored beside other terms ("Using filter
patterns to match terms in unstructured log events"). A regular expression `%regex%` consists of
letters, digits, `: _ # = @ / ; , -`, the operators `^ $ ? [ ] { } | \ * + .` and the escapes `\d \D
\s \S \w \W \xhh`. A pattern has at most two of them ("Supported regular expressions (regex)
syntax").

Where the documentation is ambiguous, this module rejects the pattern. Examples are a space in a
regular expression, and lazy and possessive quantifiers. It rejects patterns for JSON (`{`) and
space-delimited (`[`) events as not implemented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

MAXIMUM_LENGTH = 1024
MAXIMUM_REGULAR_EXPRESSIONS = 2

Predicate = Callable[[str], bool]

_BARE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_WHITESPACE = " \t\r\n"
_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|[dDsSwW^$?\[\]{}|\\*+./-])"
_QUANTIFIER = re.compile(r"[?*+]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\}")
# An escape, a character class, a quantifier or one character.
_TOKEN = re.compile(
    rf"{_ESCAPE}|\[(?:{_ESCAPE}|[\w:#=@/;,^$?{{}}|*+.-])+\]|{_QUANTIFIER.pattern}|[\w:#=@/;,^$|.-]",
    re.ASCII,
)


class InvalidFilterPattern(ValueError):
    """CloudWatch Logs would reject this pattern."""


class UnsupportedFilterPattern(InvalidFilterPattern):
    """CloudWatch Logs may accept this pattern, but this emulator does not implement it."""


@dataclass(frozen=True)
class _Term:
    sign: str
    occurs_in: Predicate
    is_regex: bool


def compile_filter_pattern(pattern: str) -> Predicate:
    """Return a function that returns whether a log message matches `pattern`.

    Args:
        pattern: A filter pattern as given to PutSubscriptionFilter or FilterLogEvents.

    Raises:
        InvalidFilterPattern: CloudWatch Logs rejects the pattern, or this module does not implement
            it.
    """
    terms = _parse(pattern)
    required = [term.occurs_in for term in terms if term.sign == ""]
    excluded = [term.occurs_in for term in terms if term.sign == "-"]
    alternatives = [term.occurs_in for term in terms if term.sign == "?"]
    if required or excluded or not alternatives:
        return lambda message: (
            all(occurs(message) for occurs in required)
            and not any(occurs(message) for occurs in excluded)
        )
    return lambda message: any(occurs(message) for occurs in alternatives)


@lru_cache(maxsize=256)
def cached_filter_pattern(pattern: str) -> Predicate:
    """Return `compile_filter_pattern(pattern)`, cached, because filters see every log event."""
    return compile_filter_pattern(pattern)


def _parse(pattern: str) -> list[_Term]:
    if len(pattern) > MAXIMUM_LENGTH:
        raise InvalidFilterPattern(f"it is longer than {MAXIMUM_LENGTH} characters")
    text = pattern.strip(_WHITESPACE)
    if text[:1] in ("{", "["):
        kind = "JSON" if text[0] == "{" else "space-delimited"
        raise UnsupportedFilterPattern(f"{kind} patterns are not implemented by this emulator")
    terms = []
    position = 0
    while position < len(text):
        term, position = _read_term(text, position)
        terms.append(term)
        after = position
        while position < len(text) and text[position] in _WHITESPACE:
            position += 1
        if after == position < len(text):
            raise InvalidFilterPattern(f"there is no space before {text[position:]!r}")
    if sum(term.is_regex for term in terms) > MAXIMUM_REGULAR_EXPRESSIONS:
        raise InvalidFilterPattern(
            f"it has more than {MAXIMUM_REGULAR_EXPRESSIONS} regular expressions"
        )
    return terms


def _read_term(text: str, position: int) -> tuple[_Term, int]:
    sign = text[position] if text[position] in "?-" else ""
    start = position + len(sign)
    opening = text[start : start + 1]
    if opening == '"':
        phrase, end = _read_phrase(text, start)
        return _Term(sign, _phrase_predicate(phrase), is_regex=False), end
    if opening == "%":
        end = text.find("%", start + 1)
        if end < 0:
            raise InvalidFilterPattern("a regular expression has no closing %")
        return _Term(sign, _regex_predicate(text[start + 1 : end]), is_regex=True), end + 1
    end = start
    while end < len(text) and text[end] in _BARE_CHARACTERS:
        end += 1
    if end == start:
        raise InvalidFilterPattern(f"invalid character(s) in term {text[position:]!r}")
    if end < len(text) and text[end] not in _WHITESPACE:
        raise InvalidFilterPattern(
            f"invalid character(s) in term {text[position : end + 1]!r}: "
            "terms with other than letters, digits and underscores must be quoted"
        )
    return _Term(sign, _phrase_predicate(text[start:end]), is_regex=False), end


def _read_phrase(text: str, start: int) -> tuple[str, int]:
    characters: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(characters), position + 1
        if character == "\\" and text[position + 1 : position + 2] in ('"', "\\"):
            position += 1
            character = text[position]
        characters.append(character)
        position += 1
    raise InvalidFilterPattern("a quoted phrase has no closing quote")


def _phrase_predicate(phrase: str) -> Predicate:
    if not phrase.strip():
        return lambda message: True
    return lambda message: phrase in message


def _regex_predicate(source: str) -> Predicate:
    try:
        compiled = re.compile(_translated(source), re.ASCII | re.DOTALL)
    except (re.error, OverflowError) as error:
        raise InvalidFilterPattern(f"invalid regular expression %{source}%: {error}") from error
    return lambda message: compiled.search(message) is not None


def _translated(source: str) -> str:
    r"""Translate a regular expression to Python, where "$" also matches before a final newline.

    Raises:
        InvalidFilterPattern: The expression is empty, or uses unsupported syntax.
    """
    if not source:
        raise InvalidFilterPattern("a regular expression is empty")
    pieces: list[str] = []
    position = 0
    after_quantifier = False
    while position < len(source):
        token = _TOKEN.match(source, position)
        if token is None:
            raise InvalidFilterPattern(f"{source[position:]!r} is not supported in %{source}%")
        is_quantifier = _QUANTIFIER.fullmatch(token[0]) is not None
        if is_quantifier and after_quantifier:
            raise InvalidFilterPattern(f"two quantifiers in a row in %{source}%")
        pieces.append(r"\Z" if token[0] == "$" else token[0])
        after_quantifier = is_quantifier
        position = token.end()
    return "".join(pieces)
