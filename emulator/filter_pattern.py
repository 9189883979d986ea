r"""The filter patterns of CloudWatch Logs for unstructured log events.

MiniStack 1.5.33 has two matchers and both are wrong. The one for subscription filters asks that
every word of the pattern occurs, so `?a ?b` means AND, quotes and regular expressions mean nothing,
and an exclusion is an inclusion. The one of FilterLogEvents ignores case and knows shell wildcards.
Neither refuses anything, so a pattern that AWS rejects deploys.

AWS: "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live
Tail" and the pages below it ("Using filter patterns to match terms in unstructured log events",
"Supported regular expressions (regex) syntax").

- Matching is by substring and case-sensitive. An empty pattern matches every event.
- A term of letters, digits and underscores stands as it is; any other must be quoted. `\"` and
  `\\` inside quotes are a quote and a backslash. A blank phrase (`" "`) matches everything, as
  the page says of it.
- Several terms must all occur. `-term` must not occur. `?a ?b`: at least one must occur. The page
  on unstructured events says that a question mark cannot be combined with other terms: beside
  included or excluded terms the `?` terms are ignored.
- `%regex%` has letters, digits, the symbols `: _ # = @ / ; , -`, the operators
  `^ $ ? [ ] { } | \ * + .` and the escapes `\d \D \s \S \w \W \xhh`. No parentheses, no
  multi-byte characters, at most two in a pattern.

Where the pages leave room, this module refuses rather than accepts: what passes here should deploy
there. So a space inside a regular expression is refused (the page's list has none; write `\s`),
and so are lazy and possessive quantifiers and anything else that only some engines know. Patterns
for JSON (`{`) and space-delimited (`[`) events are valid on AWS and not implemented here; they are
refused with a message that says so.
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
_REGEX_LITERALS = _BARE_CHARACTERS | frozenset(":#=@/;,-")
_REGEX_OPERATORS = frozenset("^$?[]{}|\\*+.")
_REGEX_CLASSES = frozenset("dDsSwW")
_QUANTIFIER = re.compile(r"[?*+]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\}")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|.)")


class InvalidFilterPattern(ValueError):
    """CloudWatch Logs would refuse this pattern."""


class UnsupportedFilterPattern(InvalidFilterPattern):
    """CloudWatch Logs may accept this pattern; this emulator does not implement it."""


@dataclass(frozen=True)
class _Term:
    sign: str
    occurs_in: Predicate
    is_regex: bool


def compile_filter_pattern(pattern: str) -> Predicate:
    """Return a function that says whether a log message matches `pattern`.

    Args:
        pattern: A filter pattern as given to PutSubscriptionFilter or FilterLogEvents.

    Raises:
        InvalidFilterPattern: CloudWatch Logs refuses the pattern, or it is not implemented here.
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
    """Return `compile_filter_pattern(pattern)`, compiled once: filters meet every log event."""
    return compile_filter_pattern(pattern)


def contains_regular_expression(pattern: str) -> bool:
    """Say whether `pattern` counts against the quota of patterns with regular expressions.

    A pattern this module cannot read counts if it has two percent signs.
    """
    try:
        return any(term.is_regex for term in _parse(pattern))
    except InvalidFilterPattern:
        return pattern.count("%") > 1


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
    _check_regex(source)
    # "$" of Python also matches before a final newline; AWS documents the end of the string.
    translated = _replace_outside_classes(source)
    try:
        compiled = re.compile(translated, re.ASCII | re.DOTALL)
    except (re.error, OverflowError) as error:
        raise InvalidFilterPattern(f"invalid regular expression %{source}%: {error}") from error
    return lambda message: compiled.search(message) is not None


def _check_regex(source: str) -> None:
    if not source:
        raise InvalidFilterPattern("a regular expression is empty")
    position = 0
    in_class = False
    after_quantifier = False
    while position < len(source):
        quantifier = None if in_class else _QUANTIFIER.match(source, position)
        if quantifier and after_quantifier:
            raise InvalidFilterPattern(f"two quantifiers in a row in %{source}%")
        step = len(quantifier.group()) if quantifier else _check_character(source, position)
        if source[position] in "[]":
            in_class = _check_bracket(source, position, in_class)
        elif source[position] in "{}" and not quantifier and not in_class:
            raise InvalidFilterPattern(f"a brace that is no quantifier in %{source}%")
        after_quantifier = quantifier is not None
        position += step


def _check_character(source: str, position: int) -> int:
    character = source[position]
    if character not in _REGEX_LITERALS and character not in _REGEX_OPERATORS:
        raise InvalidFilterPattern(f"{character!r} is not supported in %{source}%")
    if character != "\\":
        return 1
    escape = _ESCAPE.match(source, position)
    if escape is None:
        raise InvalidFilterPattern(f"a lone backslash at the end of %{source}%")
    escaped = escape.group()[1:]
    if escaped[0] not in _REGEX_CLASSES | _REGEX_OPERATORS | frozenset("-/") and len(escaped) == 1:
        raise InvalidFilterPattern(f"the escape \\{escaped} is not supported in %{source}%")
    return len(escape.group())


def _check_bracket(source: str, position: int, in_class: bool) -> bool:
    if source[position] == "[":
        if in_class:
            raise InvalidFilterPattern(f"a bracket inside a character class in %{source}%")
        return True
    if not in_class:
        raise InvalidFilterPattern(f"a closing bracket without an opening one in %{source}%")
    return False


def _replace_outside_classes(source: str) -> str:
    pieces = []
    position = 0
    in_class = False
    while position < len(source):
        escape = _ESCAPE.match(source, position)
        piece = escape.group() if escape else source[position]
        if piece in "[]":
            in_class = piece == "["
        pieces.append(r"\Z" if piece == "$" and not in_class else piece)
        position += len(piece)
    return "".join(pieces)
