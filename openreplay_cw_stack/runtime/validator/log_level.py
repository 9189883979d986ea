"""The level of a log line, in the four words OpenReplay's player knows.

A line says its level in the way of its logger: a JSON field (Lambda's structured logs, pino's
numbers, zap), a word near its beginning (Python's logging, Logback, Lambda's Node runtime, logfmt),
glog's letter. What comes first decides. Else it is an error if it speaks of an error or an
exception, and else info.
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
    # glog
    "i": "info",
    "w": "warning",
    "e": "error",
    "f": "error",
}
_FIELDS = ("level", "severity", "levelname", "log.level", "loglevel", "log_level", "lvl")
# pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
_LEVEL_OF_NUMBER = ((50, "error"), (40, "warning"), (30, "info"), (0, "debug"))

# Further on, "ERROR" is part of what a line tells.
_HEAD = 200
_CAPITAL_WORDS = frozenset(
    """TRACE DEBUG FINE FINER FINEST INFO NOTICE CONFIG WARN WARNING ERROR SEVERE CRITICAL FATAL
    PANIC""".split()  # noqa: SIM905
)
_CAPITALS = re.compile(r"[A-Z]{4,8}(?![A-Za-z_$])")
# "[info]", "level=info"
_MARKED = re.compile(r"(?:\[ {0,2}|level=(?:\\*\")?|lvl=(?:\\*\")?)([A-Za-z]{3,11})\b", re.ASCII)
# What makes a level the end of another word, as in com.acme.ERROR and xlevel=info.
_BEFORE_CAPITALS = re.compile(r"[A-Za-z_$.]")
_BEFORE_LABEL = re.compile(r"\w", re.ASCII)
_FIRST_WORD = re.compile(r" {0,8}([A-Za-z]{3,11}):(?![\w:])", re.ASCII)
_FIRST_FIELD = re.compile(r'\{"level": ?"([A-Za-z]{3,11})"')
_GLOG = re.compile(r" {0,8}([IWEF])\d{4} \d\d:\d\d:\d\d", re.ASCII)
_WORDS_OF_ERRORS = ("error", "exception", "traceback", "panic:")
_DECODER = json.JSONDecoder()
_JSON_BLANKS = " \t\n\r"


def level_of(message: str) -> str:
    """One of ``error``, ``warning``, ``info`` and ``debug``. Never raises; linear."""
    head = message[:_HEAD]
    return _beginning(head) or _word_or_field(message, head) or _level_by_content(message)


def _beginning(head: str) -> str | None:
    """The level that a line begins with: ``ERROR:``, glog's letter, or a field of (cut) JSON."""
    begin = _FIRST_WORD.match(head) or _GLOG.match(head) or _FIRST_FIELD.match(head)
    return _LEVEL_OF_WORD.get(begin[1].lower()) if begin else None


def _word_or_field(message: str, head: str) -> str | None:
    """The level in the head of a line: of a word, or of a JSON object that begins before it."""
    level, end = _first_word(head)
    brace = head.find("{")
    if brace >= 0 and (level is None or brace < end):
        document = _json_object(message, brace)
        return (_level_in_document(document) if document is not None else None) or level
    return level


def _json_object(message: str, start: int) -> dict[str, object] | None:
    if not message.rstrip().endswith("}"):
        return None
    try:
        document, end = _DECODER.raw_decode(message, start)
    except (ValueError, RecursionError):
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


def _first_word(head: str) -> tuple[str | None, int]:
    """The first word in the head of a line that is a level, and where it ends."""
    level, start, end = None, len(head), 0
    for found in _CAPITALS.finditer(head):
        if found[0] in _CAPITAL_WORDS and not _stands_behind(_BEFORE_CAPITALS, head, found):
            level, start, end = _LEVEL_OF_WORD[found[0].lower()], found.start(), found.end()
            break
    for found in _MARKED.finditer(head, 0, start):
        word = _LEVEL_OF_WORD.get(found[1].lower())
        if word and (found[0][0] == "[" or not _stands_behind(_BEFORE_LABEL, head, found)):
            return word, found.end()
    return level, end


def _stands_behind(before: re.Pattern[str], head: str, found: re.Match[str]) -> bool:
    return found.start() > 0 and before.match(head, found.start() - 1) is not None


def _level_by_content(message: str) -> str:
    lower = message.lower()
    return "error" if any(word in lower for word in _WORDS_OF_ERRORS) else "info"
