"""The level of a log line, in the four words OpenReplay's player knows.

A line says its level in the way of its logger: a JSON field (Lambda's structured logs, pino's
numbers, zap), a word near its beginning (Python's logging, Logback, Lambda's Node runtime, logfmt),
glog's letter. What comes first decides. Else it is an error if it speaks of an error or an
exception, and else info.
"""

from __future__ import annotations

import json
import re

from openreplay_cw_stack.runtime.validator.subscription import unescaped

_LEVEL_OF_WORD = {
    "trace": "debug",
    "debug": "debug",
    "fine": "debug",
    "finer": "debug",
    "finest": "debug",
    "verbose": "debug",
    "info": "info",
    "information": "info",
    "notice": "info",
    "config": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "err": "error",
    "severe": "error",
    "critical": "error",
    "crit": "error",
    "alert": "error",
    "emergency": "error",
    "emerg": "error",
    "fatal": "error",
    "panic": "error",
    "dpanic": "error",
    # glog
    "i": "info",
    "w": "warning",
    "e": "error",
    "f": "error",
}
_LEVEL_OF_UPPER_CASE_WORD = {word.upper(): level for word, level in _LEVEL_OF_WORD.items()}
_FIELDS = ("level", "severity", "levelname", "log.level", "loglevel", "log_level", "lvl")
# pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
_LEVEL_OF_NUMBER = ((50, "error"), (40, "warning"), (30, "info"), (0, "debug"))

# Further on, "ERROR" is part of what a line tells.
_HEAD = 200
# The same in a message and in its text of JSON, where a line break is a backslash and a letter.
# The first letter comes before what is looked for behind it, so that a search skips to it.
_WORD = re.compile(
    r"[TDFINCWESPl\[](?:"
    # a word in upper case; all of these are levels
    r"(?:(?<![A-Za-z_$.][A-Z])|(?<=\\[bfnrt][A-Z]))"
    r"(?:(?<=T)RACE|(?<=D)EBUG|(?<=F)INE|(?<=F)INER|(?<=F)INEST|(?<=I)NFO|(?<=N)OTICE"
    r"|(?<=C)ONFIG|(?<=W)ARN|(?<=W)ARNING|(?<=E)RROR|(?<=S)EVERE|(?<=C)RITICAL|(?<=F)ATAL"
    r"|(?<=P)ANIC)(?![A-Za-z_$])"
    # "[info]", "level=info"
    r"|(?:(?<=\[) {0,2}|(?:(?<!\wl)|(?<=\\[bfnrt]l))(?:(?<=l)evel|(?<=l)vl)=(?:\\*\")?)"
    r"([A-Za-z]{3,11})\b)",
    re.ASCII,
)
_FIRST_WORD = re.compile(r" {0,8}([A-Za-z]{3,11}):(?![\w:])", re.ASCII)
_GLOG = re.compile(r" {0,8}([IWEF])\d{4} \d\d:\d\d:\d\d", re.ASCII)
_FIRST_FIELD = re.compile(r'\{\\?"level\\?": ?\\?"([A-Za-z]{3,11})\\?"')
_WORDS_OF_ERRORS = ("error", "exception", "traceback", "panic:")
_SPEAKS_OF_AN_ERROR = re.compile("|".join(_WORDS_OF_ERRORS), re.IGNORECASE | re.ASCII)
# What json.loads does, without a copy of the text.
_SCAN_JSON = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_JSON_BLANKS = " \t\n\r"


def level_of(message: str) -> str:
    """One of ``error``, ``warning``, ``info`` and ``debug``. Never raises; linear."""
    head = message[:_HEAD]
    level, _ = _first_said(head)
    if level is None and "{" in head:
        document = _json_object(message)
        level = _level_in_document(document) if document is not None else None
        level = level or _first_word(head)[0]
    return level or _level_by_content(message)


def level_of_escaped(text: str) -> str:
    """What :func:`level_of` says of a message that is given as a text of JSON, without its quotes.

    Its escapes are read only if that is needed. A text that turns out to be none is an error.
    """
    head = text[:_HEAD]
    level, end = _first_said(head)
    # An escape may be a letter, and what is cut may be one.
    if level is not None and end < _HEAD - 1 and "\\u" not in head[: end + 2]:
        return level
    try:
        return level_of(unescaped(text))
    except ValueError:
        return "error"


def _json_object(message: str) -> dict[str, object] | None:
    start = message.find("{", 0, _HEAD)
    if start < 0 or not message.rstrip().endswith("}"):
        return None
    try:
        document, end = _SCAN_JSON(message, start)
    except (ValueError, RecursionError, StopIteration):
        return None
    if message[end:].strip(_JSON_BLANKS) or not isinstance(document, dict):
        return None
    return document


def _level_in_document(document: dict[str, object]) -> str | None:
    nested = document.get("log")
    for fields in (document, nested if isinstance(nested, dict) else {}):
        for name, value in fields.items():
            if name.lower() in _FIELDS:
                level = _level_of_value(value)
                if level:
                    return level
    return None


def _level_of_value(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return next((level for least, level in _LEVEL_OF_NUMBER if value >= least), None)
    return _LEVEL_OF_WORD.get(value.strip().lower()) if isinstance(value, str) else None


def _first_said(head: str) -> tuple[str | None, int]:
    """The level in the head of a line, if nothing else may say it before, and where that ends."""
    first = head[:1]
    if first == "{":
        field = _FIRST_FIELD.match(head)
        return (_LEVEL_OF_WORD.get(field[1].lower()), field.end()) if field else (None, 0)
    # Most lines begin with a digit or a bracket.
    if first.isalpha() or first == " ":
        begin = _FIRST_WORD.match(head) or _GLOG.match(head)
        level = _LEVEL_OF_WORD.get(begin[1].lower()) if begin else None
        if begin and level:
            return level, begin.end()
    level, end = _first_word(head)
    return (level, end) if "{" not in head[:end] else (None, 0)


def _first_word(head: str) -> tuple[str | None, int]:
    """The first word in the head of a line that is a level, and where it ends."""
    found = _WORD.search(head)
    while found is not None:
        level = _LEVEL_OF_UPPER_CASE_WORD.get(found[0])
        if level is None and found[1]:
            level = _LEVEL_OF_WORD.get(found[1].lower())
        if level is not None:
            return level, found.end()
        found = _WORD.search(head, found.end())
    return None, 0


def _level_by_content(message: str) -> str:
    # In ASCII, the lower case says what the expression would, and sooner.
    if message.isascii():
        lower = message.lower()
        return "error" if any(word in lower for word in _WORDS_OF_ERRORS) else "info"
    return "error" if _SPEAKS_OF_AN_ERROR.search(message) else "info"
