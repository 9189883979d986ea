"""Every word, number and field of log_level's tables, and where each number range begins."""

from __future__ import annotations

import json

import pytest

from openreplay_cw_stack.runtime.validator.log_level import level_of

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
