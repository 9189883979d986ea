"""The level of a log line, in the four words OpenReplay's player knows.

A line says its level in the way of its logger: a JSON field (Lambda's structured logs, pino's
numbers, zap), a word near its beginning (Python's logging, Logback, Lambda's Node runtime, logfmt),
glog's letter. Else it is an error if it speaks of an error or an exception, and else info.
"""

from __future__ import annotations

import json
import re

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
}
_LEVEL_OF_UPPER_CASE_WORD = {word.upper(): level for word, level in _LEVEL_OF_WORD.items()}
_FIELDS = ("level", "severity", "levelname", "log.level", "loglevel", "log_level", "lvl")
# pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
_LEVEL_OF_NUMBER = ((50, "error"), (40, "warning"), (30, "info"), (0, "debug"))
_WORD_OF_GLOG = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}

# Further on, "ERROR" is part of what a line tells.
_HEAD = 200
# The first letter comes before the look-behind, so that a search skips to it. All are levels.
_UPPER_CASE_WORD = re.compile(
    r"[TDFINCWESP](?<![A-Za-z_$.][A-Z])(?:(?<=T)RACE|(?<=D)EBUG|(?<=F)INE|(?<=F)INER|(?<=F)INEST"
    r"|(?<=I)NFO|(?<=N)OTICE|(?<=C)ONFIG|(?<=W)ARN|(?<=W)ARNING|(?<=E)RROR|(?<=S)EVERE"
    r"|(?<=C)RITICAL|(?<=F)ATAL|(?<=P)ANIC)(?![A-Za-z_$])"
)
_LABELLED_WORD = re.compile(r"(?:\blevel=\"?|\blvl=\"?|\[)\s{0,2}([A-Za-z]{3,11})\b", re.ASCII)
_FIRST_WORD = re.compile(r"\s{0,8}([A-Za-z]{3,11}):(?=\s|\Z)", re.ASCII)
_BRACKETED_LEVEL = re.compile(rf"\[\s{{0,2}}((?i:{'|'.join(_LEVEL_OF_WORD)}))\b", re.ASCII)
# All words are among those in upper case above.
_LEVEL_IN_FRONT = re.compile(r'\{"level": ?"(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL)"')
_GLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_WORDS_OF_ERRORS = ("error", "exception", "traceback", "panic:")
_SPEAKS_OF_AN_ERROR = re.compile("|".join(_WORDS_OF_ERRORS), re.IGNORECASE | re.ASCII)
# What json.loads does, without a copy of the text.
_SCAN_JSON = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_JSON_BLANKS = " \t\n\r"


def level_of(message: str) -> str:
    """One of ``error``, ``warning``, ``info`` and ``debug``. Never raises; linear."""
    head = message[:_HEAD]
    if "{" in head:
        level = _level_in_front(message, head)
        if level:
            return level
        document = _json_object(message)
        level = _level_in_document(document) if document is not None else None
        if level:
            return level
    return _level_in_head(head) or _level_by_content(message)


def _level_in_front(message: str, head: str) -> str | None:
    """The level of Powertools' lines: what parsing would find, whether they are JSON or not.

    The first field's value, if no later field has that name; or the first word in upper case.
    """
    front = _LEVEL_IN_FRONT.match(message)
    if front is None or "[" in head or "l=" in head or "\\u" in message:
        return None
    if message.find('"level"', front.end()) >= 0:
        return None
    return _LEVEL_OF_UPPER_CASE_WORD[front.group(1)]


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


def _level_in_head(head: str) -> str | None:
    first = head[:1]
    # Most lines begin with a digit or a bracket.
    begins_with_a_word = first.isalpha() or first.isspace()
    level = _level_of_first_word(head) if begins_with_a_word else None
    if level is None and ("[" in head or "l=" in head):
        level = _level_of_label(head)
    if level is None and begins_with_a_word:
        level = _level_of_glog(head)
    if level is None:
        word = _UPPER_CASE_WORD.search(head)
        level = _LEVEL_OF_UPPER_CASE_WORD[word.group()] if word else None
    return level


def _level_of_first_word(head: str) -> str | None:
    first = _FIRST_WORD.match(head)
    return _LEVEL_OF_WORD.get(first.group(1).lower()) if first else None


def _level_of_label(head: str) -> str | None:
    if "l=" not in head:
        bracketed = _BRACKETED_LEVEL.search(head)
        return _LEVEL_OF_WORD[bracketed.group(1).lower()] if bracketed else None
    # "[level=x" is one label.
    for word in _LABELLED_WORD.findall(head):
        level = _LEVEL_OF_WORD.get(word.lower())
        if level:
            return level
    return None


def _level_of_glog(head: str) -> str | None:
    glog = _GLOG.match(head.lstrip())
    return _LEVEL_OF_WORD[_WORD_OF_GLOG[glog.group(1)]] if glog else None


def _level_by_content(message: str) -> str:
    # In ASCII, the lower case says what the expression would, and sooner.
    if message.isascii():
        lower = message.lower()
        return "error" if any(word in lower for word in _WORDS_OF_ERRORS) else "info"
    return "error" if _SPEAKS_OF_AN_ERROR.search(message) else "info"
