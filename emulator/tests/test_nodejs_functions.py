from __future__ import annotations

import json
from typing import Any

import pytest

from emulator import Emulator, nodejs_functions
from emulator.tests.support import (
    create_function,
    is_alive,
    lines_of,
    unique,
    wait_for,
    zipped,
)

pytestmark = pytest.mark.emulator

SOURCE = """
exports.handler = async (event) => {
  console.error("first %s\\nsecond", event.name);
  console.log({ name: event.name });
  process.stdout.write("raw\\nunfinished");
  if (event.hang) for (;;);
  if (event.fail) throw new TypeError("no stock\\nleft");
  if (event.exit) {
    setImmediate(() => { throw new Error("uncaught"); });
    await new Promise(() => {});
  }
  return process.pid;
};
"""
CALLBACK = """
exports.handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => callback(event.fail ? "bad" : null, "called"), 5);
};
"""
STREAMING = """
exports.handler = awslambda.streamifyResponse(async (event, response) => {
  const prelude = { statusCode: 201, headers: { "x-a": "b" } };
  const body = event.plain ? response : awslambda.HttpResponseStream.from(response, prelude);
  body.write("one ");
  body.end("two");
});
"""


def create(aws: Emulator, source: str = SOURCE, **options: Any) -> str:
    return create_function(aws, source, runtime="nodejs20.x", **options)


def invoke(aws: Emulator, function: str, event: dict[str, Any]) -> tuple[Any, bool]:
    """The answer, and whether it is an error."""
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


def own_lines(aws: Emulator, function: str) -> list[str]:
    platform = ("START ", "END ", "REPORT ", "INIT_START ")
    return [line for line in lines_of(aws, function) if not line.startswith(platform)]


def create_layer(aws: Emulator, files: dict[str, str]) -> str:
    created = aws.client("lambda").publish_layer_version(
        LayerName=unique("layer"), Content={"ZipFile": zipped(files)}
    )
    return str(created["LayerVersionArn"])


def test_a_call_of_the_console_is_one_event(aws: Emulator) -> None:
    function = create(aws)
    assert not invoke(aws, function, {"name": "a"})[1]
    lines = sorted(own_lines(aws, function))
    assert [line.split("\t")[-1] for line in lines] == [
        "first a\nsecond",
        "{ name: 'a' }",
        "raw",
        "unfinished",
    ]
    assert lines[0].split("\t")[2] == "ERROR"


def test_a_handler_that_throws_is_reported_once_and_its_process_goes_on(aws: Emulator) -> None:
    function = create(aws)
    pid, _ = invoke(aws, function, {"name": "a"})
    answer, is_error = invoke(aws, function, {"name": "b", "fail": True})
    assert is_error
    assert answer["errorMessage"] == "no stock\nleft"
    assert invoke(aws, function, {"name": "c"}) == (pid, False)
    (report,) = [line for line in own_lines(aws, function) if "TypeError" in line]
    assert "\tERROR\tInvoke Error \t{" in report


def test_an_uncaught_exception_ends_the_process(aws: Emulator) -> None:
    function = create(aws)
    pid, _ = invoke(aws, function, {"name": "a"})
    answer, is_error = invoke(aws, function, {"name": "b", "exit": True})
    assert is_error
    assert answer["errorMessage"] == "uncaught"
    assert invoke(aws, function, {"name": "c"})[0] != pid
    assert any("\tUncaught Exception \t" in line for line in own_lines(aws, function))


def test_a_process_in_an_endless_loop_ends_with_its_timeout(aws: Emulator) -> None:
    function = create(aws, timeout=1)
    pid, _ = invoke(aws, function, {"name": "a"})
    answer, is_error = invoke(aws, function, {"name": "b", "hang": True})
    assert is_error
    assert "timed out" in answer["errorMessage"]
    wait_for(lambda: not is_alive(pid))


def test_lambdas_json_log_format(aws: Emulator) -> None:
    function = create(aws, LoggingConfig={"LogFormat": "JSON"})
    invoke(aws, function, {"name": "a"})
    records = [json.loads(line) for line in own_lines(aws, function) if line.startswith("{")]
    assert [(record["level"], record["message"]) for record in records] == [
        ("ERROR", "first a\nsecond"),
        ("INFO", {"name": "a"}),
    ]


@pytest.mark.parametrize(
    ("source", "event", "expected"),
    [
        (CALLBACK, {}, ("called", False)),
        (CALLBACK, {"fail": True}, ({"errorMessage": "bad"}, True)),
        (STREAMING, {"plain": True}, ("one two", False)),
        (STREAMING, {}, ({"statusCode": 201, "headers": {"x-a": "b"}, "body": "one two"}, False)),
    ],
)
def test_handlers(
    aws: Emulator, source: str, event: dict[str, Any], expected: tuple[Any, bool]
) -> None:
    answer, is_error = invoke(aws, create(aws, source), event)
    if is_error:
        answer = {"errorMessage": answer["errorMessage"]}
    assert (answer, is_error) == expected


def test_a_handler_of_a_layer_and_a_wrapper_of_the_runtime(aws: Emulator) -> None:
    source = "export const handler = async () => process.env.WRAPPED;"
    files = {
        "nodejs/node_modules/own/front.mjs": source,
        "wrapper": '#!/bin/sh\nWRAPPED="yes" exec "$@"\n',
    }
    function = create(
        aws,
        handler="/opt/nodejs/node_modules/own/front.handler",
        Layers=[create_layer(aws, files)],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    )
    assert invoke(aws, function, {}) == ("yes", False)


@pytest.mark.parametrize("source", ["syntax error", "exports.other = 1;"])
def test_a_function_that_cannot_be_loaded(aws: Emulator, source: str) -> None:
    answer, is_error = invoke(aws, create(aws, source), {})
    assert is_error
    assert "Runtime." in answer["errorMessage"]


def test_a_missing_runtime_client_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(nodejs_functions, "_RUNTIME_CLIENT", tmp_path / "none")
    assert "npm ci --prefix emulator" in nodejs_functions.worker_script()
