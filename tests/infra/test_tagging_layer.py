from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_

from openreplay_cw_stack import OpenReplayCloudWatch, TaggingLayer
from openreplay_cw_stack.infra.internal.tagging_runtimes import stage_nodejs_layer
from openreplay_cw_stack.tagging.propagation.redirection import (
    HEADER_NAME_VARIABLE,
    LEVEL_VARIABLE,
    NODEJS_REDIRECTED_HANDLER,
    ORIGINAL_HANDLER_VARIABLE,
    REDIRECTED_HANDLER,
    TAG_STDOUT_VARIABLE,
    TAG_VARIABLE,
)

FUNCTIONS = "AWS::Lambda::Function"


@pytest.fixture
def code(tmp_path: Path) -> lambda_.Code:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "shop.py").write_text("def handler(event, context): ...")
    return lambda_.Code.from_asset(str(folder))


@pytest.fixture
def stack(tmp_path: Path) -> cdk.Stack:
    return cdk.Stack(cdk.App(outdir=str(tmp_path / "cdk.out")), "Shop")


def a_function(scope: cdk.Stack, code: lambda_.Code, **changes: object) -> lambda_.Function:
    properties = {"runtime": lambda_.Runtime.PYTHON_3_13, "handler": "shop.handler", **changes}
    return lambda_.Function(scope, "Checkout", code=code, **properties)  # type: ignore[arg-type]


def properties_of(stack: cdk.Stack) -> dict[str, object]:
    (found,) = assertions.Template.from_stack(stack).find_resources(FUNCTIONS).values()
    properties: dict[str, object] = found["Properties"]
    return properties


def test_the_handler_is_redirected_and_the_original_kept(
    stack: cdk.Stack, code: lambda_.Code
) -> None:
    function = a_function(
        stack,
        code,
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-instrument", "STAGE": "live"},
    )
    layer = TaggingLayer(stack, "Tagging")
    layer.tag_errors_of(function)
    found = properties_of(stack)
    assert found["Handler"] == REDIRECTED_HANDLER
    assert found["Environment"] == {
        "Variables": {
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-instrument",
            "STAGE": "live",
            ORIGINAL_HANDLER_VARIABLE: "shop.handler",
        }
    }
    assert found["Layers"] == [stack.resolve(layer.layer.layer_version_arn)]


def test_its_settings_go_into_the_environment(stack: cdk.Stack, code: lambda_.Code) -> None:
    function = a_function(stack, code)
    TaggingLayer(stack, "Tagging").tag_errors_of(
        function, header_name="X-Visit", tag_stdout=True, tag="id", level="warning"
    )
    assert properties_of(stack)["Environment"] == {
        "Variables": {
            HEADER_NAME_VARIABLE: "X-Visit",
            LEVEL_VARIABLE: "30",
            ORIGINAL_HANDLER_VARIABLE: "shop.handler",
            TAG_STDOUT_VARIABLE: "true",
            TAG_VARIABLE: "id",
        }
    }


def test_one_layer_serves_every_function_of_the_integration(
    stack: cdk.Stack, code: lambda_.Code
) -> None:
    integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
    assert not integration.node.try_find_child("TaggingLayer")
    for name in ("A", "B"):
        function = lambda_.Function(
            stack, name, code=code, runtime=lambda_.Runtime.PYTHON_3_10, handler="shop.handler"
        )
        integration.tag_errors_of(function)
    template = assertions.Template.from_stack(stack)
    template.resource_count_is("AWS::Lambda::LayerVersion", 1)
    template.resource_properties_count_is(FUNCTIONS, {"Handler": REDIRECTED_HANDLER}, 2)


@pytest.fixture
def staged(stack: cdk.Stack) -> Path:
    """The Python layer's folder as it is zipped."""
    assert TaggingLayer(stack, "Tagging").layer
    assembly = cdk.App.of(stack).synth()  # type: ignore[union-attr]
    (folder,) = Path(assembly.directory).glob("asset.*")
    return folder


def test_the_layer_holds_the_tagging_and_nothing_else(staged: Path) -> None:
    files = {str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file()}
    package = Path(__file__).parents[2] / "openreplay_cw_stack"
    expected = {
        f"python/openreplay_cw_stack/{path.relative_to(package)}"
        for path in package.glob("tagging/**/*.py")
    }
    assert files == expected | {"python/openreplay_cw_stack/__init__.py"}


def test_a_function_runs_behind_it_without_anything_installed(staged: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "checkout.py").write_text(
        "import sys\n"
        "def handler(event, context):\n"
        "    print('no stock left', file=sys.stderr)\n"
        "    return {'statusCode': 200}\n"
    )
    token = "vacw97eg4wna.1v7.mwtr4d94.pUeE4zAftLaQYR3dJ6fvdKguey33QorwnQc5xrAqwwc"
    module, _, name = REDIRECTED_HANDLER.rpartition(".")
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3];"
        f"from {module} import {name};"
        f"print({name}({{'headers': {{'x-openreplay-sessiontoken': {token!r}}}}}, None))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(staged / "python"), str(tmp_path)],
        env={**os.environ, ORIGINAL_HANDLER_VARIABLE: "shop/checkout.handler"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == f"[openReplaySessionToken={token}] no stock left\n"
    assert ran.stdout == "{'statusCode': 200}\n"


def test_the_layer_is_the_same_at_every_synthesis(staged: Path, tmp_path: Path) -> None:
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path / "again")), "Shop")
    assert TaggingLayer(stack, "Tagging").layer
    cdk.App.of(stack).synth()  # type: ignore[union-attr]
    assert [one.name for one in (tmp_path / "again").glob("asset.*")] == [staged.name]


class TestNodejs:
    def test_the_handler_is_redirected_and_the_original_kept(
        self, stack: cdk.Stack, code: lambda_.Code
    ) -> None:
        environment = {
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-handler",
            "NODE_OPTIONS": "--enable-source-maps",
        }
        function = a_function(
            stack, code, runtime=lambda_.Runtime.NODEJS_22_X, environment=environment
        )
        layer = TaggingLayer(stack, "Tagging")
        layer.tag_errors_of(function, level="WARNING", tag="id")
        found = properties_of(stack)
        assert found["Handler"] == NODEJS_REDIRECTED_HANDLER
        assert found["Environment"] == {
            "Variables": {
                **environment,
                LEVEL_VARIABLE: "40",
                ORIGINAL_HANDLER_VARIABLE: "shop.handler",
                TAG_STDOUT_VARIABLE: "true",
                TAG_VARIABLE: "id",
            }
        }
        assert found["Layers"] == [stack.resolve(layer.nodejs_layer.layer_version_arn)]
        # Not the one for Python, which nothing uses.
        assertions.Template.from_stack(stack).resource_count_is("AWS::Lambda::LayerVersion", 1)

    @pytest.mark.parametrize("name", ["nodejs20.x", "nodejs22.x", "nodejs24.x"])
    def test_each_runtime(self, stack: cdk.Stack, code: lambda_.Code, name: str) -> None:
        runtime = lambda_.Runtime(name, lambda_.RuntimeFamily.NODEJS, supports_inline_code=True)
        function = a_function(stack, code, runtime=runtime)
        TaggingLayer(stack, "Tagging").tag_errors_of(function, tag_stdout=False)
        found = properties_of(stack)
        assert found["Handler"] == NODEJS_REDIRECTED_HANDLER
        assert found["Environment"] == {"Variables": {ORIGINAL_HANDLER_VARIABLE: "shop.handler"}}

    def test_twice(self, stack: cdk.Stack, code: lambda_.Code) -> None:
        function = a_function(stack, code, runtime=lambda_.Runtime.NODEJS_22_X)
        layer = TaggingLayer(stack, "Tagging")
        layer.tag_errors_of(function)
        with pytest.raises(ValueError, match="already tagged"):
            layer.tag_errors_of(function)

    def test_the_layer_is_small_and_holds_what_the_package_loads(self, tmp_path: Path) -> None:
        stage_nodejs_layer(tmp_path / "layer")
        source = Path(__file__).parents[2] / "nodejs"
        files = {
            str(path.relative_to(tmp_path / "layer" / "nodejs" / "node_modules"))
            for path in (tmp_path / "layer").rglob("*")
            if path.is_file()
        }
        entries = json.loads((source / "package.json").read_text())["exports"]
        assert {path.split("/", 1)[0] for path in files} == {"openreplay-cw-tagging"}
        assert {f"openreplay-cw-tagging/lib/{one.name}" for one in source.glob("lib/*")} < files
        assert "openreplay-cw-tagging/lambda.mjs" in files
        for entry in ("index.js", "index.mjs", "register.js"):
            assert f"./{entry}" in json.dumps(entries)
            assert f"openreplay-cw-tagging/{entry}" in files
        archive = shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "layer")
        assert Path(archive).stat().st_size < 50_000


class TestRefusals:
    def refused(self, stack: cdk.Stack, function: lambda_.IFunction, reason: str) -> None:
        with pytest.raises(ValueError, match=reason) as raised:
            TaggingLayer(stack, "Tagging").tag_errors_of(function)
        assert function.node.path in str(raised.value)

    def test_an_imported_function(self, stack: cdk.Stack) -> None:
        function = lambda_.Function.from_function_name(stack, "Imported", "checkout")
        self.refused(stack, function, "imported")

    def test_an_alias(self, stack: cdk.Stack, code: lambda_.Code) -> None:
        self.refused(stack, a_function(stack, code).add_alias("live"), "alias")

    def test_a_container_image(self, stack: cdk.Stack, tmp_path: Path) -> None:
        (tmp_path / "Dockerfile").write_text("FROM scratch")
        image = lambda_.DockerImageCode.from_image_asset(str(tmp_path), exclude=["cdk.out"])
        function = lambda_.DockerImageFunction(stack, "Image", code=image)
        self.refused(stack, function, "container image")

    def test_inline_code(self, stack: cdk.Stack) -> None:
        inline = lambda_.Code.from_inline("def handler(event, context): ...")
        self.refused(stack, a_function(stack, inline, handler="index.handler"), "inline")

    @pytest.mark.parametrize(
        "runtime",
        [
            lambda_.Runtime.NODEJS_18_X,
            lambda_.Runtime.PYTHON_3_9,
            lambda_.Runtime.JAVA_21,
            lambda_.Runtime.PROVIDED_AL2023,
        ],
        ids=lambda runtime: runtime.name,
    )
    def test_another_runtime(
        self, stack: cdk.Stack, code: lambda_.Code, runtime: lambda_.Runtime
    ) -> None:
        self.refused(stack, a_function(stack, code, runtime=runtime), runtime.name)

    def test_a_function_of_another_stack(self, stack: cdk.Stack, code: lambda_.Code) -> None:
        other = cdk.Stack(cdk.App.of(stack), "Other")
        self.refused(stack, a_function(other, code), r"TaggingLayer\(Other")

    def test_twice(self, stack: cdk.Stack, code: lambda_.Code) -> None:
        layer, function = TaggingLayer(stack, "Tagging"), a_function(stack, code)
        layer.tag_errors_of(function)
        with pytest.raises(ValueError, match="already tagged"):
            layer.tag_errors_of(function)

    @pytest.mark.parametrize(
        "wrong", [{"header_name": "X Visit"}, {"tag": "session"}, {"level": "loud"}], ids=str
    )
    def test_an_argument_that_it_cannot_be(
        self, stack: cdk.Stack, code: lambda_.Code, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            TaggingLayer(stack, "Tagging").tag_errors_of(a_function(stack, code), **wrong)
