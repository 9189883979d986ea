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
        ('{"level":-1,"message":"an error"}', "error"),
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
    ],
)
def test_levels(message: str, level: str) -> None:
    assert level_of(message) == level


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(LEVELS))
def test_always_one_of_four_and_a_json_level_decides(text: str, level: str) -> None:
    assert level_of(text) in LEVELS
    assert level_of(json.dumps({"message": text, "level": level})) == level


@pytest.mark.parametrize("piece", ["[", " ", "{", '{"a":', "level=", "E1124 "])
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
