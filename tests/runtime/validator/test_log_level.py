from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import LEVELS
from openreplay_cw_stack.runtime.validator.log_level import level_of


@pytest.mark.parametrize(
    ("message", "level"),
    [
        # Python
        ("ERROR:shop:payment failed", "error"),
        ("WARNING:root:disk almost full", "warning"),
        ("2026-11-24 03:11:49,123 - shop.pay - CRITICAL - payment failed", "error"),
        ("2026-11-24 03:11:49,123 DEBUG shop.pay trying again after error", "debug"),
        ("[WARNING]\t2026-11-24T03:11:49.123Z\t8f1c\tslow", "warning"),
        ("[ERROR] ValueError: no stock left\nTraceback (most recent call last):", "error"),
        ("Traceback (most recent call last):\n  File ...\nKeyboardInterrupt", "error"),
        # Java
        ("2026-11-24 03:11:49.123  WARN 1 --- [nio-8080-exec-1] c.a.Shop : slow", "warning"),
        ("2026-11-24 03:11:49.123 INFO [main] c.a.ErrorController - ready", "info"),
        ("SEVERE: Servlet.service() threw exception", "error"),
        ("Nov 24, 2026 3:11:49 AM com.acme.Shop pay\nSEVERE: refused", "error"),
        ('Exception in thread "main" java.lang.IllegalStateException: payment', "error"),
        # Node
        ("2026-11-24T03:11:49.123Z\t8f1c\tERROR\tInvoke Error \t{}", "error"),
        ("2026-11-24T03:11:49.123Z\t8f1c\tINFO\tpaid", "info"),
        ("TypeError: Cannot read properties of undefined (reading 'id')", "error"),
        ("warn: deprecated option", "warning"),
        ('{"level":50,"time":1795464000000,"msg":"refused"}', "error"),
        ('{"level":40,"msg":"error rate rises"}', "warning"),
        ('{"level":30,"msg":"an error was handled"}', "info"),
        ('{"level":10,"msg":"error"}', "debug"),
        # Go
        ("panic: runtime error: index out of range [5] with length 3", "error"),
        ('time="2026-11-24T03:11:49Z" level=warning msg="error budget"', "warning"),
        ("time=2026-11-24T03:11:49.123Z level=ERROR msg=refused", "error"),
        ("E1124 03:11:49.123456   1 pay.go:12] refused", "error"),
        ("W1124 03:11:49.123456   1 pay.go:12] slow", "warning"),
        ('{"level":"dpanic","ts":1,"msg":"x"}', "error"),
        # zap writes a field of the same name behind its own
        ('{"level":"warn","ts":1,"msg":"x","level":7}', "warning"),
        # JSON
        ('{"timestamp":"2026","level":"ERROR","message":"refused"}', "error"),
        ('{"timestamp":"2026","level":"Debug","message":"error"}', "debug"),
        ('{"severity":"WARNING","message":"error"}', "warning"),
        ('{"log.level":"info","message":"error"}', "info"),
        ('{"log":{"level":"fatal"},"message":"x"}', "error"),
        ('{"levelname":"INFO","message":"exception handled"}', "info"),
        ('2026-11-24T03:11:49Z {"level":"info","message":"error"}', "info"),
        ('{"level":true,"message":"fine"}', "info"),
        ('{"level":null,"message":"an error"}', "error"),
        ('{"level":"silly","message":"fine"}', "info"),
        ("{not json} ERROR}", "error"),
        ('{"level":"warn","message":"an error, cut', "warning"),
        # none of these
        ("an error happened", "error"),
        ("java.io.IOException", "error"),
        ("paid", "info"),
        ("", "info"),
        ("paid " * 100 + "ERROR", "error"),
        ("INFORMATION is not a level of ours, nor is com.acme.ERROR_CODES", "error"),
        ("com.acme.DEBUG an error", "error"),
        ("myINFO an error", "error"),
        ("xlevel=info an error", "error"),
        ('{"message":"DEBUG is off, an error"}', "error"),
        ('{"severity":false,"message":"paid"}', "info"),
        ("paid " * 100 + "DEBUG error", "error"),
        ("[ info] an error", "info"),
        ("lvl=warn msg=slow", "warning"),
        ('lvl="warn" msg=slow', "warning"),
        # more words of errors than are looked at
        ("no error " * 60, "error"),
    ],
)
def test_levels(message: str, level: str) -> None:
    assert level_of(message) == level


@pytest.mark.parametrize(
    ("message", "level"),
    [
        # Monolog: Formatter/LineFormatter.php, JsonFormatter.php, Logger.php
        ("[2026-01-05T10:00:00+00:00] production.WARNING: stock is low [] []", "warning"),
        ("[2026-01-05 10:00:00] local.EMERGENCY: disk is full", "error"),
        ("[2026-01-05 10:00:00] local.ALERT: stock is empty", "error"),
        ("[2026-01-05 10:00:00] local.NOTICE: no errors", "info"),
        ("[2026-01-05 10:00:00] local.DEBUG: the list of errors is empty", "debug"),
        ('{"message":"paid","level":100,"level_name":"DEBUG"}', "debug"),
        ('{"message":"error","level":250,"level_name":"NOTICE"}', "info"),
        # Python's levelno is not pino's level
        ('{"message":"paid","levelno":20}', "info"),
        ('{"message":"paid","level":30}', "info"),
        # GELF and RFC 5424
        ('{"version":"1.1","short_message":"declined","level":3}', "error"),
        ('{"version":"1.1","short_message":"declined","level":4}', "warning"),
        ('{"version":"1.1","short_message":"an error","level":6}', "info"),
        ('{"version":"1.1","short_message":"an error","level":7}', "debug"),
        # Nobody knows whose number it is
        ('{"level":3,"message":"paid"}', "info"),
        ('{"level":3,"message":"an error"}', "error"),
        # OpenTelemetry, "SeverityNumber"
        ('{"severityNumber":13,"body":"slow"}', "warning"),
        ('{"severityNumber":17,"body":"x"}', "error"),
        ('{"severity_text":"WARN","body":"x"}', "warning"),
        # .NET: SimpleConsoleFormatter, JsonConsoleFormatter
        ("fail: Shop.Pay[0]\n      declined", "error"),
        ("crit: Shop.Pay[0]\n      gone", "error"),
        ("dbug: Shop.Pay[0]\n      no error", "debug"),
        ('{"EventId":0,"LogLevel":"Critical","Message":"gone"}', "error"),
        ('{"EventId":0,"LogLevel":3,"Message":"slow"}', "warning"),
        ('{"EventId":0,"LogLevel":2,"Message":"an error"}', "info"),
        # Serilog, zerolog's console, Grafana
        ("[10:00:00 ERR] card declined", "error"),
        ("[10:00:00 WRN] card slow", "warning"),
        ("[10:00:00 DBG] no error", "debug"),
        ("2026-01-05 10:00:00.000 +00:00 [FTL] gone", "error"),
        ("\x1b[90m10:00AM\x1b[0m \x1b[31mERR\x1b[0m card declined", "error"),
        ('{"@t":"2026","@mt":"slow","@l":"Warning"}', "warning"),
        ("lvl=WRN msg=slow", "warning"),
        # Apache and nginx: "ErrorLogFormat", "error_log"
        ("[Mon Jan 05 10:00:00.1 2026] [php:warn] [pid 1] slow", "warning"),
        ("[Mon Jan 05 10:00:00.1 2026] [core:error] [pid 1] File does not exist", "error"),
        ("2026/01/05 10:00:00 [crit] 1#1: *1 open() failed", "error"),
        # Colours around a level: tracing, winston's colorize
        ("\x1b[33mwarn\x1b[39m: an error was handled", "warning"),
        ("\x1b[2m2026-01-05T10:00:00Z\x1b[0m \x1b[32m INFO\x1b[0m shop: an error", "info"),
        ("[\x1b[31merror\x1b[0m] declined", "error"),
        # FireLens, Docker
        ('{"log":"{\\"level\\":\\"warn\\",\\"msg\\":\\"slow\\"}","stream":"stdout"}', "warning"),
        ('{"log":"{\\"level\\":50}","stream":"stdout"}', "error"),
        ('{"container_name":"web","log":"2026-01-05 WARN Cart - slow"}', "warning"),
        ('{"log":"paid, no error","stream":"stderr"}', "info"),
        # Cut JSON
        ('{"time":1,"level":"warn","msg":"' + "x" * 3000, "warning"),
        ('{"time":1,"level":50,"msg":"' + "x" * 3000, "error"),
        ('{"log":"{\\"time\\":1,\\"level\\":\\"warn\\",\\"msg\\":\\"' + "x" * 3000, "warning"),
        ('{"msg":"an error ' + "x" * 3000 + '","level":"info', "error"),
        # Lambda's column for console.log, and the program's own level
        ("2026-11-24T03:11:49.123Z\t8f1c\tINFO\tERROR declined", "error"),
        ('2026-11-24T03:11:49.123Z\t8f1c\tINFO\t{"level":"warn","msg":"x"}', "warning"),
        ("2026-11-24T03:11:49.123Z\t8f1c\tINFO\tpaid after an error", "info"),
        ("2026-11-24T03:11:49.123Z\t8f1c\tWARN\tERROR handled", "warning"),
        # Errors that there are not
        ('{"orders":7,"errors":0}', "info"),
        ('{"orders":7,"error":null,"exception":""}', "info"),
        ("orders=7 errors=0 error_count=0", "info"),
        ("finished with 0 errors, without any exception", "info"),
        ("GET /errors/list 200", "info"),
        ("GET https://shop.example/api/error-reports?x=1 200", "info"),
        ("errors=12", "error"),
        ('{"error":"declined"}', "error"),
        ("error: 0.5 percent declined", "error"),
        ("GET /orders 500 Internal Server Error", "error"),
    ],
)
def test_levels_of_ecosystems(message: str, level: str) -> None:
    assert level_of(message) == level


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(LEVELS))
def test_always_one_of_four_and_a_json_level_decides(text: str, level: str) -> None:
    assert level_of(text) in LEVELS
    assert level_of(json.dumps({"message": text, "level": level})) == level


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        " ",
        "{",
        '{"a":',
        "level=",
        "E1124 ",
        "error=0 ",
        "no error ",
        "\x1b[",
        "\\",
        '"level":',
    ],
)
def test_a_megabyte_of_anything(piece: str) -> None:
    assert level_of(piece * (1_000_000 // len(piece)) + "}") in LEVELS


@pytest.mark.parametrize(
    ("message", "level"),
    [
        (r"level=\"info\" msg=\"ERROR\"", "info"),
        (r"level=\\\"info\\\" msg=ERROR", "info"),
        ("level=\trace of an ERROR", "error"),
        ("level=\notice of an ERROR", "error"),
    ],
)
def test_backslashes_behind_a_label(message: str, level: str) -> None:
    assert level_of(message) == level


# Every word, number and field of the tables, and where each range of numbers begins.
WORDS = {
    "debug": "trace debug fine finer finest verbose trce dbug vrb trc dbg",
    "info": "info information notice config inf",
    "warning": "warn warning wrn",
    "error": "error err severe critical crit alert emergency emerg fatal panic dpanic fail ftl pnc",
}
CAPITALS = {
    "debug": "TRACE DEBUG FINE FINER FINEST VRB TRC DBG",
    "info": "INFO NOTICE CONFIG INF",
    "warning": "WARN WARNING WRN",
    "error": "ERROR SEVERE CRITICAL FATAL PANIC ERR FTL PNC",
}
FIELDS = """level severity levelname level_name log.level loglevel log_level lvl @l @level
    severity_text""".split()  # noqa: SIM905
NUMBERS = [
    # pino and bunyan
    (
        "level",
        {},
        {"debug": (10, 20, 29), "info": (30, 39), "warning": (40, 49), "error": (50, 60)},
    ),
    # Python; 0 is NOTSET
    (
        "levelno",
        {},
        {"debug": (1, 10, 19), "info": (20, 29), "warning": (30, 39), "error": (40, 50)},
    ),
    # Monolog
    (
        "level",
        {},
        {
            "debug": (100, 199),
            "info": (200, 250, 299),
            "warning": (300, 399),
            "error": (400, 500, 550, 600),
        },
    ),
    # OpenTelemetry
    (
        "severityNumber",
        {},
        {"debug": (1, 8), "info": (9, 12), "warning": (13, 16), "error": (17, 24)},
    ),
    # .NET; 6 is None
    ("LogLevel", {}, {"debug": (0, 1), "info": (2, 6), "warning": (3,), "error": (4, 5)}),
    # RFC 5424, GELF
    ("severity", {}, {"error": (0, 1, 2, 3), "warning": (4,), "info": (5, 6), "debug": (7,)}),
    (
        "level",
        {"short_message": "x"},
        {"error": (0, 1, 2, 3), "warning": (4,), "info": (5, 6), "debug": (7,)},
    ),
]


def other(level: str) -> str:
    """A text from which another level follows."""
    return "paid" if level in ("warning", "error") else "an error"


@pytest.mark.parametrize(
    ("word", "level"), [(word, level) for level, words in WORDS.items() for word in words.split()]
)
@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_every_word(word: str, level: str, change: type[str]) -> None:
    assert level_of(json.dumps({"message": other(level), "level": change(word)})) == level


@pytest.mark.parametrize(
    ("word", "level"),
    [(word, level) for level, words in CAPITALS.items() for word in words.split()],
)
def test_every_word_in_capitals(word: str, level: str) -> None:
    assert level_of(f"2026-01-05 10:00:00 {word} shop: {other(level)}") == level


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("change", [str, str.upper])
def test_every_field(name: str, change: type[str]) -> None:
    assert level_of(json.dumps({"message": "an error", change(name): "debug"})) == "debug"


@pytest.mark.parametrize(("name", "beside", "levels"), NUMBERS)
def test_every_range_of_numbers(
    name: str, beside: dict[str, str], levels: dict[str, tuple[int, ...]]
) -> None:
    for level, numbers in levels.items():
        for number in numbers:
            line = json.dumps({"message": other(level), name: number, **beside})
            assert level_of(line) == level, line


@pytest.mark.parametrize(
    ("letter", "level"), [*zip("IWEF", ("info", "warning", "error", "error"), strict=True)]
)
def test_every_letter_of_glog(letter: str, level: str) -> None:
    assert level_of(f"{letter}1124 03:11:49.123456   1 pay.go:12] {other(level)}") == level


@pytest.mark.parametrize("name", ["level", "levelno", "severity", "severityNumber", "LogLevel"])
def test_a_negative_number_says_nothing(name: str) -> None:
    assert level_of(json.dumps({"message": "paid", name: -1})) == "info"
    assert level_of(json.dumps({"message": "an error", name: -1})) == "error"


@pytest.mark.parametrize("name", ["levelno", "severityNumber"])
def test_zero_is_not_set(name: str) -> None:
    assert level_of(json.dumps({"message": "an error", name: 0})) == "error"
