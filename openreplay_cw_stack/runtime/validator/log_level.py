"""The level of a log line, in the four words OpenReplay's player knows.

A line says its level in the way of its logger: a JSON field (Lambda's structured logs, pino and
bunyan with their numbers, structlog, zap, logback's encoders), a word near its beginning (Python's
logging, Log4j, Logback, java.util.logging, Lambda's Node and Python runtimes, logfmt), glog's
letter. Where it says none it is an error if the line speaks of an error or an exception, else info.
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
_FIELDS = ("level", "severity", "levelname", "log.level", "loglevel", "log_level", "lvl")
# pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
_LEVEL_OF_NUMBER = ((50, "error"), (40, "warning"), (30, "info"), (0, "debug"))
_WORD_OF_GLOG = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}

# A level stands near the beginning of a line; further on, "ERROR" is part of what it tells.
_HEAD = 200
_UPPER_CASE_WORD = re.compile(
    r"(?<![A-Za-z_$.])(TRACE|DEBUG|FINE|FINER|FINEST|INFO|NOTICE|CONFIG|WARN|WARNING|ERROR|SEVERE"
    r"|CRITICAL|FATAL|PANIC)(?![A-Za-z_$])"
)
_LABELLED_WORD = re.compile(r"(?:\blevel=\"?|\blvl=\"?|\[)\s{0,2}([A-Za-z]{3,11})\b", re.ASCII)
_FIRST_WORD = re.compile(r"\s{0,8}([A-Za-z]{3,11}):(?=\s|\Z)", re.ASCII)
_GLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_SPEAKS_OF_AN_ERROR = re.compile(r"exception|error|traceback|panic:", re.IGNORECASE | re.ASCII)


def level_of(message: str) -> str:
    """One of ``error``, ``warning``, ``info`` and ``debug``. Never raises; linear."""
    document = _json_object(message)
    level = _level_in_document(document) if document is not None else None
    return level or _level_in_text(message) or _level_by_content(message)


def _json_object(message: str) -> dict[str, object] | None:
    start = message.find("{", 0, _HEAD)
    if start < 0 or not message.rstrip().endswith("}"):
        return None
    try:
        document = json.loads(message[start:])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


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


def _level_in_text(message: str) -> str | None:
    head = message[:_HEAD]
    words = [match.group(1) for match in (_FIRST_WORD.match(head),) if match]
    words += _LABELLED_WORD.findall(head)
    glog = _GLOG.match(head.lstrip())
    if glog:
        words.append(_WORD_OF_GLOG[glog.group(1)])
    words += _UPPER_CASE_WORD.findall(head)
    levels = (_LEVEL_OF_WORD.get(word.lower()) for word in words)
    return next(filter(None, levels), None)


def _level_by_content(message: str) -> str:
    return "error" if _SPEAKS_OF_AN_ERROR.search(message) else "info"
