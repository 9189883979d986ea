from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.filter_pattern import (
    InvalidFilterPattern,
    UnsupportedFilterPattern,
    compile_filter_pattern,
)

DOCUMENTED = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[ERROR 500] INTERNAL SERVER ERROR",
    "[INFO] REQUEST FAILED",
]

MATCHING = [
    # The examples of the documentation.
    ("ERROR", [0, 1, 2, 3, 4]),
    ("ERROR ARGUMENTS", [2, 3]),
    ("?ERROR ?ARGUMENTS", [0, 1, 2, 3, 4]),
    ('"INTERNAL SERVER ERROR"', [4]),
    ("ERROR -ARGUMENTS", [0, 1, 4]),
    ('" "', [0, 1, 2, 3, 4, 5]),
    ("%AUTHORIZED%", [1]),
    # A question mark is ignored beside other terms.
    ("?ERROR ?ARGUMENTS REQUEST", [0, 1, 5]),
    ("?ARGUMENTS -INFO", [0, 1, 2, 3, 4]),
    # Nothing, and nothing but space.
    ("", [0, 1, 2, 3, 4, 5]),
    ("  \t", [0, 1, 2, 3, 4, 5]),
    ('""', [0, 1, 2, 3, 4, 5]),
    # Case counts; a part of a word is enough.
    ("error", []),
    ("RGUMENT", [2, 3]),
    # Quoted: order and spaces count.
    ('"ERROR 40"', [0, 1]),
    ('"40 ERROR"', []),
    ('?"ERROR 400" ?"ERROR 419"', [0, 2]),
    ('-"ERROR 4"', [4, 5]),
    ("-ERROR -INFO", []),
    # Regular expressions.
    ("%ERROR 4[0-9]{2}%", None),
    (r"%ERROR\s4[01]\d%", [0, 1, 2]),
    (r"%^\[INFO%", [5]),
    (r"%REQUEST$%", [0, 1]),
    ("%MISSING|INVALID%", [2, 3]),
    ("?%MISSING% ?%INVALID%", [2, 3]),
    ("%REQUEST% -%BAD%", [1, 5]),
    (r"%\x5bINFO%", [5]),
    ("%AR.?GUM+ENTS*%", [2, 3]),
    ("%ER{2,3}OR%", [0, 1, 2, 3, 4]),
    ("%ER{3}OR%", []),
]


@pytest.mark.parametrize(("pattern", "expected"), MATCHING)
def test_what_matches(pattern: str, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidFilterPattern):
            compile_filter_pattern(pattern)
        return
    matches = compile_filter_pattern(pattern)
    assert [n for n, line in enumerate(DOCUMENTED) if matches(line)] == expected


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        # What decides whether a tag reaches the validator.
        ('"openReplaySessionToken="', "x [openReplaySessionToken=abc] y", True),
        ('"openReplaySessionToken="', "x [openreplaysessiontoken=abc] y", False),
        ('"openReplaySessionToken="', "x openReplaySessionToken: abc", False),
        ("%[oO]pen_?[rR]eplay%", "OpenReplay", True),
        ("%[oO]pen_?[rR]eplay%", "OPENREPLAY", False),
        # Escapes inside quotes.
        (r'"say \"no\""', 'they say "no"', True),
        (r'"C:\\temp"', r"C:\temp", True),
        (r'"a\nb"', r"a\nb", True),
        # Characters of other alphabets are ordinary inside quotes, and not of the classes.
        ('"naïve ſ"', "so naïve ſ", True),
        (r"%^\w+$%", "naïve", False),
        (r"%^\W+$%", "ïſ", True),
        # The end of the message, not the end of its last line.
        ("%end$%", "the end\n", False),
        ("%first.second%", "first\nsecond", True),
        ("%^second%", "first\nsecond", False),
        # Operators are literal in a class.
        ("%[$]%", "5$", True),
        ("%[$]%", "5", False),
        (r"%a\$b%", "a$b", True),
    ],
)
def test_details(pattern: str, message: str, expected: bool) -> None:
    assert compile_filter_pattern(pattern)(message) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "open-replay",
        "a=b",
        "[a]b"[1:],
        "naïve",
        "user@host",
        "a:b",
        "a.b",
        '"unclosed',
        '"a"b',
        '"a""b"',
        "a%b%",
        "%a%b",
        "%unclosed",
        "%%",
        "?",
        "-",
        "- ERROR",
        "??ERROR",
        "--ERROR",
        "?-ERROR",
        "a -",
        "*",
        "x" * 1025,
        # Regular expressions.
        "%(a)%",
        r"%\(%",
        "%something!%",
        '%"%',
        "%a b%",
        "%é%",
        "%a{%",
        "%a}%",
        "%a{b}%",
        "%a**%",
        "%a*?%",
        "%a*+%",
        "%a{2}{3}%",
        "%*a%",
        "%[a%",
        "%a]%",
        "%[[a]]%",
        "%[z-a]%",
        "%[]%",
        r"%\b%",
        r"%\1%",
        r"%\x4%",
        r"%\u0041%",
        "%a\\%",
        "%a% %b% %c%",
    ],
)
def test_what_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidFilterPattern):
        compile_filter_pattern(pattern)


@pytest.mark.parametrize("pattern", ["{ $.a = 1 }", "[ip, user]", "  [ip]", "{"])
def test_other_kinds_of_patterns_say_that_they_are_not_implemented(pattern: str) -> None:
    with pytest.raises(UnsupportedFilterPattern, match="not implemented by this emulator"):
        compile_filter_pattern(pattern)


def test_the_longest_pattern() -> None:
    assert compile_filter_pattern("x" * 1024)("x" * 1024)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TERM = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)


def quoted(phrase: str) -> str:
    return '"' + phrase.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(TEXT)
def test_whatever_the_pattern_it_compiles_or_is_refused(pattern: str) -> None:
    try:
        matches = compile_filter_pattern(pattern)
    except InvalidFilterPattern:
        return
    assert matches("some message") in (True, False)


@given(st.text("ab\\[]{}()^$?*+.|xdDw09,-%! ", max_size=12))
def test_a_regular_expression_that_is_accepted_means_the_same_to_python(source: str) -> None:
    try:
        matches = compile_filter_pattern(f"%{source}%")
    except InvalidFilterPattern:
        return
    if "%" in source:
        return
    for message in ("", "a", "ab", "[a]", "a.b", "1,2", "a|b", "\\"):
        found = re.compile(source, re.ASCII | re.DOTALL).search(message)
        assert matches(message) is (found is not None)


@given(TEXT.filter(str.strip), TEXT, TEXT)
def test_a_quoted_phrase_is_found_anywhere_and_only_as_it_is(
    phrase: str, before: str, after: str
) -> None:
    matches = compile_filter_pattern(quoted(phrase))
    assert matches(before + phrase + after)
    assert matches(before) is (phrase in before)


@given(st.lists(TERM, min_size=1, max_size=5), TEXT)
def test_several_terms_mean_and_or_and_not(terms: list[str], message: str) -> None:
    found = [term in message for term in terms]
    assert compile_filter_pattern(" ".join(terms))(message) is all(found)
    alternatives = " ".join(f"?{term}" for term in terms)
    assert compile_filter_pattern(alternatives)(message) is any(found)
    excluded = " ".join(f"-{term}" for term in terms)
    assert compile_filter_pattern(excluded)(message) is not any(found)
    mixed = f"{alternatives} {terms[0]}"
    assert compile_filter_pattern(mixed)(message) is found[0]
