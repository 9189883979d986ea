from __future__ import annotations

import json

import pytest

from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument, print_line
from tests.runtime.payloads import NOW_MS


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def log(printed: list[str]) -> FunctionLog:
    return FunctionLog("Shop", lambda: NOW_MS, printed.append)


@pytest.mark.parametrize(
    ("method", "level"), [("log", "INFO"), ("warn", "WARN"), ("error", "ERROR")]
)
def test_a_message_is_one_line_with_its_level(
    log: FunctionLog, printed: list[str], method: str, level: str
) -> None:
    getattr(log, method)('two\n"lines"')
    assert printed == [f'{{"level": "{level}", "message": "two\\n\\"lines\\""}}']


def test_each_document_is_one_line(log: FunctionLog, printed: list[str]) -> None:
    log.metrics(MetricDocument({"Hits": 2}), MetricDocument({"SearchTime": 7}, unit="Milliseconds"))
    assert printed[0] == (
        f'{{"_aws":{{"Timestamp":{NOW_MS},"CloudWatchMetrics":[{{"Namespace":'
        '"OpenReplayCloudWatch","Dimensions":[["Deployment"]],"Metrics":[{"Name":"Hits",'
        '"Unit":"Count"}]}]},"Deployment":"Shop","Hits":2}'
    )
    (directive,) = json.loads(printed[1])["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": "SearchTime", "Unit": "Milliseconds"}]


def test_zeroes_are_not_published(log: FunctionLog, printed: list[str]) -> None:
    log.metrics()
    log.metrics(MetricDocument({"Hits": 0}), MetricDocument({"Hits": 0, "Searches": 1}))
    (document,) = map(json.loads, printed)
    assert "Hits" not in document
    assert document["Searches"] == 1


@pytest.mark.parametrize("detailed", [True, False])
def test_further_dimensions_only_with_further_sets(
    log: FunctionLog, printed: list[str], detailed: bool
) -> None:
    sets = [["Verdict", "LogGroup"]] if detailed else []
    log.metrics(MetricDocument({"Lines": 1}, {"Verdict": "linkable"}, sets, {"LogGroup": "/app"}))
    (document,) = map(json.loads, printed)
    assert ("LogGroup" in document) is detailed
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [
        ["Deployment", "Verdict"],
        *([["Deployment", "Verdict", "LogGroup"]] if detailed else []),
    ]


def test_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("one line")
    FunctionLog().warn("another")
    assert capsys.readouterr().out == 'one line\n{"level": "WARN", "message": "another"}\n'


def test_the_default_clock(capsys: pytest.CaptureFixture[str]) -> None:
    FunctionLog("Shop").metrics(MetricDocument({"Hits": 1}))
    assert json.loads(capsys.readouterr().out)["_aws"]["Timestamp"] > 1_700_000_000_000
