"""Detect the level of a log line, as one of the four levels of OpenReplay's player.

Loggers write the level into a JSON field, as a word near the beginning of the line, or as glog's
letter. The first of these decides. Without a level, a line that reports an error or an exception is
an error, and every other line is info. The tables name their sources.
"""

from __future__ import annotations

import json
import re

_LEVEL_OF_WORD = {
    # Log4j, Logback, java.util.logging, pino, winston, zap, logrus, RFC 5424
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
    # .NET's console logger: Microsoft.Extensions.Logging.Console, SimpleConsoleFormatter
    "trce": "debug",
    "dbug": "debug",
    "fail": "error",
    # Serilog's {Level:u3}, zerolog's console writer, Grafana
    "vrb": "debug",
    "trc": "debug",
    "dbg": "debug",
    "inf": "info",
    "wrn": "warning",
    "ftl": "error",
    "pnc": "error",
    # glog
    "i": "info",
    "w": "warning",
    "e": "error",
    "f": "error",
}
_FIELDS = frozenset(
    """level severity levelname level_name levelno log.level loglevel log_level lvl @l @level
    severitynumber severity_text""".split()  # noqa: SIM905
)
_Numbers = tuple[tuple[int, str], ...]
"""The lowest number of each level, highest first."""
_PINO: _Numbers = ((50, "error"), (40, "warning"), (30, "info"), (10, "debug"))
"""pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal."""
_PYTHON: _Numbers = ((40, "error"), (30, "warning"), (20, "info"), (1, "debug"))
"""Python's logging, "Logging Levels", as ``levelno``."""
_MONOLOG: _Numbers = ((400, "error"), (300, "warning"), (200, "info"), (100, "debug"))
"""Monolog: 100 debug, 200 info, 250 notice, 300 warning, 400 error to 600 emergency."""
_OPEN_TELEMETRY: _Numbers = ((17, "error"), (13, "warning"), (9, "info"), (1, "debug"))
"""OpenTelemetry's log data model, "SeverityNumber"."""
_DOT_NET: _Numbers = ((6, "info"), (4, "error"), (3, "warning"), (2, "info"), (0, "debug"))
"""Microsoft.Extensions.Logging.LogLevel: 0 trace to 5 critical, 6 none."""
_SYSLOG: _Numbers = ((7, "debug"), (5, "info"), (4, "warning"), (0, "error"))
"""RFC 5424, "Severity", and GELF: 0 emergency to 3 error, 4 warning, 5 notice, 6 info, 7 debug."""

# Beyond this, a word such as "ERROR" is part of the message.
_HEAD = 200
# In a cut JSON line the level may come after several fields.
_CUT_HEAD = 2000
_CAPITAL_WORDS = frozenset(
    """TRACE DEBUG FINE FINER FINEST INFO NOTICE CONFIG WARN WARNING ERROR SEVERE CRITICAL FATAL
    PANIC VRB TRC DBG INF WRN ERR FTL PNC""".split()  # noqa: SIM905
)
_CAPITALS = re.compile(r"[A-Z]{3,8}(?![A-Za-z_$])")
# "[info]", Apache's "[php:warn]", "level=info"
_MARKED = re.compile(
    r"(?:\[ {0,2}(?:\w{1,30}:)?|level=(?:\\*\")?|lvl=(?:\\*\")?)([A-Za-z]{3,11})\b", re.ASCII
)
# Characters that make a level the end of another word, as in com.acme.ERROR and xlevel=info.
_BEFORE_CAPITALS = re.compile(r"[A-Za-z_$.]")
_BEFORE_LABEL = re.compile(r"\w", re.ASCII)
_FIRST_WORD = re.compile(r" {0,8}([A-Za-z]{3,11}):(?![\w:])", re.ASCII)
_FIRST_FIELD = re.compile(r'\{"level": ?"([A-Za-z]{3,11})"')
_GLOG = re.compile(r" {0,8}([IWEF])\d{4} \d\d:\d\d:\d\d", re.ASCII)
# Monolog's LineFormatter: "[%datetime%] %channel%.%level_name%: %message%"
_MONOLOG_LINE = re.compile(r"\[[0-9T:.+ -]{10,40}\] [\w.-]{1,60}\.([A-Z]{4,9}): ", re.ASCII)
# AWS Lambda's Node.js runtime: time, request, level of console.log and its siblings, message.
_LAMBDA_INFO = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z\t[\w-]{1,64}\tINFO\t")
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")
_CUT_FIELD = re.compile(
    r""""(level|severity|levelname|level_name|log\.level|loglevel|log_level|lvl|@l)\\{0,7}"
    [ ]?:[ ]?(?:\\{0,7}"([A-Za-z]{3,11})\\{0,7}"|(\d{1,4})\b)""",
    re.ASCII | re.VERBOSE,
)

_ERROR_WORDS = re.compile("error|exception|traceback|panic:", re.IGNORECASE)
_MAX_ERROR_WORDS = 50
# "errors": 0, error=null and error: "" report that there is no error.
_NONE_BEHIND = re.compile(
    r"""\w{0,20}\\{0,7}"?[ ]?[:=][ ]?
    (?:\\{0,7}""|\\{0,7}"?(?:0|null|none|nil|false)\b(?![.]\d))""",
    re.IGNORECASE | re.VERBOSE,
)
_NONE_BEFORE = re.compile(r"(?:\b0|\bno|\bwithout(?: an?| any)?) \Z", re.IGNORECASE)
_ENDS_OF_WORDS = re.compile(r"[\s\"'<>()\[\]{},]")
_DECODER = json.JSONDecoder()
_JSON_BLANKS = " \t\n\r"


def level_of(message: str) -> str:
    """Return ``error``, ``warning``, ``info`` or ``debug``. Never raises; linear."""
    return _level_said(message, opened=False) or _level_by_content(message)


def _level_said(message: str, *, opened: bool) -> str | None:
    """Return the level that a line states, or None.

    Args:
        message: the line.
        opened: whether the line comes from a field of another line.
    """
    head = message[:_HEAD]
    if "\x1b" in head:
        message = _COLOURS.sub("", message)
        head = message[:_HEAD]
    if not opened and head[:1].isdigit():
        lambdas = _LAMBDA_INFO.match(head)
        if lambdas:
            # The level of console.log does not describe the program's own message.
            return _level_said(message[lambdas.end() :], opened=True) or "info"
    return _beginning(head) or _word_or_field(message, head, opened=opened)


def _beginning(head: str) -> str | None:
    """Return the level at the start of a line: ``ERROR:``, glog's letter, or a field of JSON."""
    begin = (
        _FIRST_WORD.match(head)
        or _GLOG.match(head)
        or _FIRST_FIELD.match(head)
        or _MONOLOG_LINE.match(head)
    )
    return _LEVEL_OF_WORD.get(begin[1].lower()) if begin else None


def _word_or_field(message: str, head: str, *, opened: bool) -> str | None:
    """Return the level in the head of a line: a word, or a field of a JSON object before it."""
    level, end = _first_word(head)
    brace = head.find("{")
    if brace < 0 or (level is not None and brace > end):
        return level
    document = _json_object(message, brace)
    if document is None:
        cut = _CUT_FIELD.search(message, brace, brace + _CUT_HEAD)
        return (_level_in_cut_json(cut) if cut else None) or level
    return (
        _level_in_document(document)
        or (None if opened else _level_of_inner_line(document))
        # Without a level field, capitals in the object are part of its message.
        or (level if end < brace else None)
    )


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


def _level_in_cut_json(cut: re.Match[str]) -> str | None:
    name, word, number = cut.groups()
    return _LEVEL_OF_WORD.get(word.lower()) if word else _level_of_value(name, int(number), {})


def _level_in_document(document: dict[str, object]) -> str | None:
    nested = document.get("log")
    for fields in (document, nested if isinstance(nested, dict) else {}):
        for name, value in fields.items():
            if name.lower() in _FIELDS:
                level = _level_of_value(name.lower(), value, fields)
                if level:
                    return level
    return None


def _level_of_inner_line(document: dict[str, object]) -> str | None:
    """Return the level of the program's line that FireLens or Docker wrapped in ``log``."""
    inner = document.get("log")
    return _level_said(inner, opened=True) if isinstance(inner, str) else None


def _level_of_value(name: str, value: object, fields: dict[str, object]) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        numbers = _numbers_of(name, value, fields)
        return next((level for least, level in numbers if value >= least), None)
    return _LEVEL_OF_WORD.get(value.strip().lower()) if isinstance(value, str) else None


def _numbers_of(name: str, value: int, fields: dict[str, object]) -> _Numbers:
    """Choose the numbering by the field's name, the other fields, and the size of the number.

    A small number without such a hint is ambiguous and states no level.
    """
    if name == "levelno":
        return _PYTHON
    if name == "severitynumber":
        return _OPEN_TELEMETRY
    if name == "loglevel" and value < 10:
        return _DOT_NET
    if value >= 100:
        return _MONOLOG
    if value >= 10:
        return _PINO
    # GELF has short_message, and syslog names the field severity.
    return _SYSLOG if name == "severity" or "short_message" in fields else ()


def _first_word(head: str) -> tuple[str | None, int]:
    """Return the first level word in the head of a line, and the index of its end."""
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
    for number, found in enumerate(_ERROR_WORDS.finditer(message)):
        if number >= _MAX_ERROR_WORDS or _speaks_of_an_error(message, found):
            return "error"
    return "info"


def _speaks_of_an_error(message: str, found: re.Match[str]) -> bool:
    """Return whether the match reports an error, and is not in a URL, a path, or a zero count."""
    before = message[max(0, found.start() - 100) : found.start()]
    word = _ENDS_OF_WORDS.split(before)[-1]
    behind = _ENDS_OF_WORDS.split(message[found.end() : found.end() + 100], maxsplit=1)[0]
    if "/" in word or "/" in behind:
        return False
    if _NONE_BEHIND.match(message, found.end()):
        return False
    return _NONE_BEFORE.search(before) is None
