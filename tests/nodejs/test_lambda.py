"""Functions under AWS's runtime client: the session of each log event."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.tagging import judge
from tests.nodejs.lambda_runtime import NodejsFunction, NotStarted, running
from tests.tagging.propagation.visitors import ANNA, BERT, headers_of

FUNCTIONS = Path(__file__).parent / "functions"
PACKAGES = Path(__file__).parents[2] / "nodejs" / "node_modules"
ESBUILD = Path(__file__).parents[2] / "examples" / "browser" / "node_modules" / ".bin" / "esbuild"
CLIENT = Path(__file__).parents[2] / "emulator" / "node_modules"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(not CLIENT.exists(), reason="npm ci has not been run in emulator/"),
]

Start = Callable[..., NodejsFunction]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a Lambda function and stops it after the test."""
    opened: list[AbstractContextManager[NodejsFunction]] = []

    def start(
        handler: str = "orders.handler", code: Path = FUNCTIONS, **options: Any
    ) -> NodejsFunction:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        opened.append(running(folder, code, handler, **options))
        return opened[-1].__enter__()

    yield start
    for one in opened:
        one.__exit__(None, None, None)


def event(who: str, **options: Any) -> dict[str, Any]:
    visitor = {"anna": ANNA, "bert": BERT}.get(who)
    return {"who": who, "headers": headers_of(visitor) if visitor else {}, **options}


def visitor_of(line: str) -> str | None:
    return {ANNA.session_id: "anna", BERT.session_id: "bert", None: None}[judge(line).session_id]


def lines_of(function: NodejsFunction, who: str, **options: Any) -> list[str]:
    """Invoke a function, check that all events have the visitor's tag, and remove it."""
    events = function.invoke(event(who, **options)).events
    visitor = {"anna": ANNA, "bert": BERT}[who]
    assert events
    assert [visitor_of(line) for line in events] == [who] * len(events), events
    return [line.replace(f"{visitor.tag} ", "") for line in events]


def without_frames(text: str) -> list[str]:
    """Return the lines of an error without stack frames, which differ with the layer."""
    lines = text.lstrip().split("\n")
    return [line.removesuffix(" {") for line in lines if not line.startswith("    at ")]


class TestText:
    def test_a_console_call_is_one_event_with_one_tag(self, start: Start) -> None:
        function = start()
        for who in ("anna", "bert"):
            (line,) = function.invoke(event(who, write="text")).events
            assert line.count("openReplaySession") == 1
            assert visitor_of(line) == who
            assert line.endswith(f"no card of {who}\nand more")
            assert level_of(line) == "error"
        (line,) = function.invoke(event("nobody", write="text")).events
        assert "openReplay" not in line

    @pytest.mark.parametrize("write", ["array", "several", "error", "context", "percent", "table"])
    def test_the_text_is_unchanged(self, start: Start, write: str) -> None:
        (line,) = lines_of(start(), "anna", write=write)
        (plain,) = start(is_tagged=False).invoke(event("anna", write=write)).events
        level, text = line.split("\t", 3)[2:]
        plain_level, plain_text = plain.split("\t", 3)[2:]
        assert level == plain_level
        assert without_frames(text) == without_frames(plain_text)

    @pytest.mark.parametrize("write", ["object", "json"])
    def test_session_fields_of_a_logged_body(self, start: Start, write: str) -> None:
        """Text with fields of two sessions may be read as none, but never as the other one."""
        (line,) = start().invoke(event("anna", write=write)).events
        assert visitor_of(line) in ("anna", None)
        assert line.split("\t", 3)[3].startswith(str(ANNA.tag))

    def test_each_line_on_stderr(self, start: Start) -> None:
        assert lines_of(start(), "anna", write="stderr") == ["first of anna", "second of anna"]

    def test_the_level_filter(self, start: Start) -> None:
        function = start(environment={"OPENREPLAY_TAG_LEVEL": "40"})
        events = function.invoke(event("anna", write="levels")).events
        tagged = [line.split("\t")[2] for line in events if visitor_of(line) == "anna"]
        assert len(events) == 7
        assert tagged == ["WARN", "ERROR", "FATAL"]

    def test_id_tags(self, start: Start) -> None:
        function = start(environment={"OPENREPLAY_TAG": "id"})
        (line,) = function.invoke(event("anna", write="text")).events
        assert f"[openReplaySession.id={ANNA.session_id}] no card" in line
        assert str(ANNA.token) not in line

    def test_a_custom_header_name(self, start: Start) -> None:
        function = start(environment={"OPENREPLAY_SESSION_TOKEN_HEADER": "X-Visit"})
        asked = {"who": "anna", "write": "text", "headers": {"x-visit": ANNA.token}}
        (line,) = function.invoke(asked).events
        assert visitor_of(line) == "anna"

    def test_an_invalid_setting_disables_tagging(self, start: Start) -> None:
        function = start(environment={"OPENREPLAY_TAG_LEVEL": "loud"})
        events = function.invoke(event("anna", write="text")).events
        assert [visitor_of(line) for line in events] == [None] * len(events)
        assert "OPENREPLAY_TAG_LEVEL" in events[0]


class TestJson:
    @pytest.fixture
    def function(self, start: Start) -> NodejsFunction:
        return start(environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})

    @pytest.mark.parametrize(
        "write",
        ["text", "object", "array", "several", "error", "context", "json", "percent", "levels"],
    )
    def test_every_record_has_its_visitors_tag(self, function: NodejsFunction, write: str) -> None:
        for who in ("anna", "bert"):
            for line in lines_of(function, who, write=write):
                assert isinstance(json.loads(line), dict)

    def test_an_object_stays_an_object(self, function: NodejsFunction) -> None:
        (line,) = lines_of(function, "anna", write="object")
        message = json.loads(line)["message"]
        assert message == {
            "who": "anna",
            "openReplaySessionToken": str(ANNA.token),
            "nested": {"a": [1]},
        }

    def test_an_error_stays_an_error(self, function: NodejsFunction) -> None:
        (line,) = lines_of(function, "anna", write="error")
        message = json.loads(line)["message"]
        assert message["errorType"] == "RangeError"
        assert message["errorMessage"] == "error of anna"
        assert message["stackTrace"][0] == "RangeError: error of anna"
        assert message["code"] == 7
        assert message["openReplaySessionToken"] == str(ANNA.token)

    @pytest.mark.parametrize("fail", ["thrown", "late", "text"])
    def test_the_report_of_a_failed_handler(self, function: NodejsFunction, fail: str) -> None:
        for who in ("anna", "bert"):
            lines_of(function, who, fail=fail)


class TestFailures:
    @pytest.mark.parametrize("fail", ["thrown", "late", "text"])
    def test_the_runtimes_report_has_the_visitors_tag(self, start: Start, fail: str) -> None:
        function = start()
        for who in ("anna", "bert"):
            (line,) = lines_of(function, who, fail=fail)
            assert "\tERROR\t" in line
            assert who in line
        (line,) = function.invoke(event("nobody", fail=fail)).events
        assert visitor_of(line) is None

    def test_no_tag_reaches_the_invoker(self, start: Start) -> None:
        answer = start().invoke(event("anna", fail="thrown")).answer
        assert answer == {
            "status": "ok",
            "raised": True,
            "error": "no stock\nfor anna",
            "trace": "",
        }

    def test_an_error_object_shared_by_visitors(self, start: Start) -> None:
        function = start()
        for who in ("anna", "bert", "nobody", "anna"):
            (line,) = function.invoke(event(who, fail="shared")).events
            assert visitor_of(line) in (who, None)
            if who == "nobody":
                assert visitor_of(line) is None

    @pytest.mark.parametrize("fail", ["uncaught", "rejected"])
    def test_an_error_that_ends_the_process(self, start: Start, fail: str) -> None:
        for environment in ({}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}):
            function = start(environment=environment)
            events = function.invoke(event("anna", fail=fail)).events
            assert [visitor_of(line) for line in events] == ["anna"], events

    def test_a_timer_that_outlives_its_invocation(self, start: Start) -> None:
        """The timer fires during the next visitor's invocation."""
        function = start()
        first = function.invoke(event("anna", after=True))
        second = function.invoke(event("bert", wait=100))
        (left,) = first.events + second.events
        assert "left by anna" in left
        assert visitor_of(left) in ("anna", None)


class TestHandlers:
    @pytest.mark.parametrize(
        "handler",
        [
            "orders.nested.callback",
            "orders.succeeding",
            "orders.throwing",
            "orders.streaming",
            "modern.handler",
            "./orders.handler",
        ],
    )
    def test_each_kind_of_handler(self, start: Start, handler: str) -> None:
        function = start(handler)
        plain = start(handler, is_tagged=False)
        for fail in (False, True):
            for who in ("anna", "bert", "nobody"):
                asked = event(who, fail="thrown" if fail and "orders.h" in handler else fail)
                ran, untagged = function.invoke(asked), plain.invoke(asked)
                assert ran.answer == untagged.answer
                assert len(ran.events) == len(untagged.events)
                expected = None if who == "nobody" else who
                assert [visitor_of(line) for line in ran.events] == [expected] * len(ran.events)

    @pytest.mark.parametrize("handler", ["orders.none", "none.handler", "orders.nested"])
    def test_a_missing_handler_fails_as_without_the_layer(self, start: Start, handler: str) -> None:
        reasons = []
        for is_tagged in (True, False):
            with pytest.raises(NotStarted, match=r"Runtime\.\w+") as raised:
                start(handler, is_tagged=is_tagged)
            reasons.append(str(raised.value).split("\n")[0])
        assert reasons[0] == reasons[1]

    def test_together_with_node_options(self, start: Start) -> None:
        program = FUNCTIONS / "preloaded.js"
        function = start(environment={"NODE_OPTIONS": f"--require {program}"})
        (line,) = lines_of(function, "anna", write="preloaded")
        assert line.endswith("preloaded: yes")

    def test_together_with_an_exec_wrapper(self, start: Start, tmp_path: Path) -> None:
        wrapper = tmp_path / "wrapper"
        wrapper.write_text(f'#!/bin/sh\nexec "$1" --require {FUNCTIONS}/preloaded.js "$2"\n')
        function = start(environment={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)})
        (line,) = lines_of(function, "anna", write="preloaded")
        assert line.endswith("preloaded: yes")


class TestEndings:
    @pytest.mark.parametrize("handler", ["endings.never", "endings.unsettled"])
    def test_a_handler_that_never_responds(self, start: Start, handler: str) -> None:
        """The runtime responds when the event loop is empty. The interval goes on without a tag."""
        function = start(handler)
        for who in ("anna", "bert", "nobody"):
            ran = function.invoke(event(who))
            assert ran.answer == {"status": "ok", "result": None}
            allowed = {"anna", None} if who == "anna" else {None}
            assert {visitor_of(line) for line in ran.events} <= allowed

    def test_an_earlier_invocation_logs_the_error_of_a_later_one(self, start: Start) -> None:
        for environment in ({}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}):
            function = start("endings.shared", environment=environment)
            assert function.invoke(event("bert")).events == []
            events = function.invoke(event("anna")).events
            assert sorted(str(visitor_of(line)) for line in events) == ["None", "anna"]

    @pytest.mark.parametrize("handler", ["endings.lazy", "endings.thenable"])
    def test_work_that_starts_when_it_is_awaited(self, start: Start, handler: str) -> None:
        for who in ("anna", "bert"):
            function, plain = start(handler), start(handler, is_tagged=False)
            ran = function.invoke(event(who))
            assert ran.answer == plain.invoke(event(who)).answer
            assert [visitor_of(line) for line in ran.events] == [who]

    @pytest.mark.parametrize("handler", ["streamed", "wrapped", "produced", "calledBack"])
    def test_lines_after_the_response(self, start: Start, handler: str) -> None:
        function = start(f"endings.{handler}")
        plain = start(f"endings.{handler}", is_tagged=False)
        for who in ("anna", "bert", "nobody"):
            for fail in (False, True):
                asked = event(who, fail=fail)
                ran, untagged = function.invoke(asked), plain.invoke(asked)
                assert ran.answer == untagged.answer
                assert len(ran.events) == len(untagged.events) > 0
                expected = None if who == "nobody" else who
                assert [visitor_of(line) for line in ran.events] == [expected] * len(ran.events)

    @pytest.mark.parametrize("log_format", ["Text", "JSON"])
    def test_every_kind_of_thrown_value(self, start: Start, log_format: str) -> None:
        environment = {"AWS_LAMBDA_LOG_FORMAT": log_format}
        function = start("endings.failing", environment=environment)
        plain = start("endings.failing", environment=environment, is_tagged=False)
        for fail in ("nothing", "object", "number", "false", "serializable", "circular", "big"):
            for who in ("anna", "bert", "nobody"):
                asked = event(who, fail=fail)
                ran, untagged = function.invoke(asked), plain.invoke(asked)
                assert ran.answer == untagged.answer
                assert [visitor_of(line) for line in ran.events] == [
                    None if who == "nobody" else who
                ] * len(untagged.events), (fail, ran.events)


class TestObjects:
    KINDS = (
        *("serializable", "address", "array", "long", "proxy", "map", "date", "boxed", "null"),
        *("number", "lines", "json", "empty", "big", "circular", "throwing"),
    )

    @pytest.mark.parametrize("log_format", ["Text", "JSON"])
    def test_every_line_has_its_visitors_tag(self, start: Start, log_format: str) -> None:
        function = start("objects.handler", environment={"AWS_LAMBDA_LOG_FORMAT": log_format})
        for kind in self.KINDS:
            for who in ("anna", "bert"):
                (line,) = function.invoke(event(who, kind=kind)).events
                assert visitor_of(line) == who, (kind, line)
                assert line.count("openReplaySession") == 1, line
                assert "hunter2" not in line or log_format == "Text"

    def test_json_keeps_its_structure(self, start: Start) -> None:
        environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
        function = start("objects.handler", environment=environment)
        plain = start("objects.handler", environment=environment, is_tagged=False)
        field, tag = {"openReplaySessionToken": str(ANNA.token)}, str(ANNA.tag)
        for kind in self.KINDS:
            asked = event("anna", kind=kind)
            (message,), (was,) = (
                [json.loads(line)["message"] for line in one.invoke(asked).events]
                for one in (function, plain)
            )
            if kind in ("big", "circular", "throwing", "null", "number", "boxed", "empty"):
                assert message.startswith(tag), kind
            elif isinstance(was, dict):
                assert message == {**field, **was}, kind
            elif isinstance(was, list):
                assert message == [tag, *was], kind
            elif kind == "json":
                assert json.loads(message) == {**field, **json.loads(was)}
            else:
                assert message == f"{tag} {was}", kind


@pytest.mark.skipif(not PACKAGES.exists(), reason="npm ci has not been run in nodejs/")
@pytest.mark.parametrize("handler", ["loggers.handler", "modern_loggers.handler"])
def test_loggers(start: Start, handler: str) -> None:
    function = start(handler, packages=PACKAGES)
    for who in ("anna", "bert", "anna"):
        lines = lines_of(function, who)
        records = [json.loads(line) for line in lines]
        assert len(records) == 3
        for record in records:
            visitor = {"anna": ANNA, "bert": BERT}[who]
            assert record["openReplaySessionToken"] == str(visitor.token)
            assert record.get("msg", record.get("message", "")).endswith(f" of {who}")
    assert [visitor_of(line) for line in function.invoke(event("nobody")).events] == [None] * 3


@pytest.mark.skipif(
    not (PACKAGES.exists() and ESBUILD.exists()), reason="npm ci has not been run in this folder"
)
def test_loggers_in_a_bundle(start: Start, tmp_path: Path) -> None:
    """The bundler hides their modules, so ``OPENREPLAY_TAG_STDOUT`` tags the stream."""
    code = tmp_path / "bundled"
    (tmp_path / "source").mkdir()
    source = shutil.copy(FUNCTIONS / "loggers.js", tmp_path / "source")
    (tmp_path / "source" / "node_modules").symlink_to(PACKAGES)
    options = ["--bundle", "--platform=node", "--external:dtrace-provider"]
    subprocess.run([ESBUILD, source, *options, f"--outfile={code}/loggers.js"], check=True)
    function = start("loggers.handler", code=code, environment={"OPENREPLAY_TAG_STDOUT": "true"})
    for who in ("anna", "bert"):
        assert len([json.loads(line) for line in lines_of(function, who)]) == 3
