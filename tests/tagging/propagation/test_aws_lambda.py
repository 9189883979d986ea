from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import id_tag
from openreplay_cw_stack.tagging.propagation import (
    HEADER_NAME,
    HeaderReader,
    current_session,
    propagation_counts,
    session_of_event,
    tag_lambda_handler,
    uninstall,
)
from openreplay_cw_stack.tagging.propagation.exceptions import session_of_exception
from openreplay_cw_stack.tagging.propagation.redirection import (
    HEADER_NAME_VARIABLE,
    LEVEL_VARIABLE,
    ORIGINAL_HANDLER_VARIABLE,
    REDIRECTED_HANDLER,
    TAG_VARIABLE,
)
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.tokens import TOKEN_SECRET, a_token

HEADER = "X-OpenReplay-SessionToken"
EVENTS = {
    "REST API, format 1.0": {
        "resource": "/orders",
        "headers": {"Accept": "*/*", HEADER: ANNA.token},
        "multiValueHeaders": {"Accept": ["*/*"], HEADER: [ANNA.token]},
        "requestContext": {"stage": "prod"},
    },
    "HTTP API, format 2.0": {
        "version": "2.0",
        "routeKey": "POST /orders",
        "headers": {"x-openreplay-sessiontoken": ANNA.token},
    },
    "function URL": {
        "version": "2.0",
        "headers": {"x-openreplay-sessiontoken": ANNA.token, "host": "x.lambda-url.on.aws"},
        "requestContext": {"http": {"method": "POST"}},
    },
    "load balancer": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "headers": {"x-openreplay-sessiontoken": ANNA.token},
    },
    "load balancer, multiple values": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "multiValueHeaders": {"x-openreplay-sessiontoken": [ANNA.token]},
    },
}
NOBODYS: list[Any] = [
    {},
    None,
    "text",
    7,
    [],
    {"headers": None, "multiValueHeaders": None},
    {"headers": []},
    {"headers": {}},
    {"headers": {"Accept": "*/*"}, "multiValueHeaders": {"Accept": ["*/*"]}},
    {"headers": {7: ANNA.token, None: "x"}},
    {"Records": [{"eventSource": "aws:sqs"}]},
]
IGNORED: list[Any] = [
    {"headers": {HEADER: "nonsense"}},
    {"headers": {HEADER: {"a": 1}}},
    {"headers": {HEADER: f"{ANNA.token},{BERT.token}"}},
    {"headers": {HEADER: ANNA.token, HEADER.lower(): BERT.token}},
    {"multiValueHeaders": {HEADER: [ANNA.token, BERT.token]}, "headers": {HEADER: BERT.token}},
]


@pytest.mark.parametrize("name", EVENTS)
def test_every_kind_of_event(name: str) -> None:
    assert session_of_event(EVENTS[name]) == ANNA


@pytest.mark.parametrize("event", NOBODYS, ids=range(len(NOBODYS)))
def test_an_event_of_nobody(event: Any) -> None:
    assert session_of_event(event) is None
    assert propagation_counts()["ignored_headers"] == 0


@pytest.mark.parametrize("event", IGNORED, ids=range(len(IGNORED)))
def test_a_header_that_is_ignored(event: Any) -> None:
    assert session_of_event(event) is None
    assert propagation_counts()["ignored_headers"] == 1


def test_another_header() -> None:
    event = {"headers": {"x-visit": BERT.token}}
    assert session_of_event(event, HeaderReader("X-Visit")) == BERT


class TestDecorator:
    def test_nothing_is_left_for_the_next_event(self) -> None:
        @tag_lambda_handler
        def handler(event: Any, context: Any) -> Session | None:
            """Take an order."""
            assert context == "context"
            return current_session()

        for event, expected in [(EVENTS["function URL"], ANNA), ({}, None), (IGNORED[0], None)] * 2:
            assert handler(event, "context") == expected
            assert current_session() is None
        assert handler.__name__ == "handler"
        assert handler.__doc__ == "Take an order."

    def test_an_exception_passes_and_is_known(self) -> None:
        @tag_lambda_handler(header_name="X-Visit")
        def handler(event: Any, context: Any) -> None:
            raise KeyError("no stock left")

        with pytest.raises(KeyError) as raised:
            handler({"headers": {"x-visit": BERT.token}}, None)
        assert session_of_exception(raised.value) == BERT
        assert current_session() is None

    def test_it_verifies_tokens(self) -> None:
        @tag_lambda_handler(token_secret=TOKEN_SECRET)
        def handler(event: Any, context: Any) -> Session | None:
            return current_session()

        forged = a_token(token_secret=b"a guess")
        assert handler(EVENTS["function URL"], None) == ANNA
        assert handler({"headers": {HEADER: forged}}, None) is None
        assert propagation_counts()["unverified_headers"] == 1

    def test_a_header_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="header_name"):
            tag_lambda_handler(header_name="X Visit")


class TestRedirection:
    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "orders.py").write_text(
            "import logging\n"
            "from openreplay_cw_stack.tagging.propagation import current_session, current_tag\n"
            "def handler(event, context): return current_session()\n"
            "def tag(event, context): return current_tag()\n"
            "def log(event, context):\n"
            "    record = logging.getLogger().makeRecord('', 20, '', 1, 'an info', (), None)\n"
            "    return logging.Handler().format(record)\n"
        )
        (tmp_path / "broken.py").write_text("import a_package_that_nobody_has\n")

    @pytest.fixture(autouse=True)
    def undone(self) -> Iterator[None]:
        yield
        uninstall()

    def load(self) -> Any:
        module, _, name = REDIRECTED_HANDLER.rpartition(".")
        sys.modules.pop(module, None)
        return getattr(importlib.import_module(module), name)

    @pytest.mark.parametrize("original", ["shop/orders.handler", "shop.orders.handler"])
    def test_it_calls_the_original(self, monkeypatch: pytest.MonkeyPatch, original: str) -> None:
        monkeypatch.setenv(ORIGINAL_HANDLER_VARIABLE, original)
        handler = self.load()
        assert handler(EVENTS["function URL"], None) == ANNA
        assert handler({}, None) is None

    def test_with_another_header(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ORIGINAL_HANDLER_VARIABLE, "shop.orders.handler")
        monkeypatch.setenv(HEADER_NAME_VARIABLE, "X-Visit")
        assert self.load()({"headers": {"X-Visit": BERT.token}}, None) == BERT

    def test_with_the_id_tag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ORIGINAL_HANDLER_VARIABLE, "shop.orders.tag")
        assert self.load()(EVENTS["function URL"], None) == ANNA.tag
        monkeypatch.setenv(TAG_VARIABLE, "id")
        assert self.load()(EVENTS["function URL"], None) == id_tag(ANNA.session_id)

    @pytest.mark.parametrize(("level", "is_tagged"), [("", True), ("30", False), ("ERROR", False)])
    def test_with_a_level(
        self, monkeypatch: pytest.MonkeyPatch, level: str, is_tagged: bool
    ) -> None:
        monkeypatch.setenv(ORIGINAL_HANDLER_VARIABLE, "shop.orders.log")
        monkeypatch.setenv(LEVEL_VARIABLE, level)
        text = self.load()(EVENTS["function URL"], None)
        assert text == (f"{ANNA.tag} an info" if is_tagged else "an info")

    @pytest.mark.parametrize(
        ("original", "error", "text"),
        [
            ("broken.handler", ModuleNotFoundError, "a_package_that_nobody_has"),
            ("missing.handler", ModuleNotFoundError, "missing"),
            ("shop.orders.other", AttributeError, "other"),
            ("handler", ValueError, "must name a module and a handler"),
            ("", ValueError, ORIGINAL_HANDLER_VARIABLE),
        ],
    )
    def test_what_is_wrong_is_said_as_without_it(
        self, monkeypatch: pytest.MonkeyPatch, original: str, error: type[Exception], text: str
    ) -> None:
        monkeypatch.setenv(ORIGINAL_HANDLER_VARIABLE, original)
        with pytest.raises(error, match=text):
            self.load()


class TestFurtherArguments:
    """Other decorators, and tests, fill further parameters of a handler."""

    def test_all_of_them_arrive(self) -> None:
        @tag_lambda_handler
        def handler(event: Any, context: Any, table: Any = None, *, dry: bool = False) -> Any:
            return event, context, table, dry, current_session()

        event = {"headers": {HEADER_NAME: ANNA.token}}
        assert handler(event, 1) == (event, 1, None, False, ANNA)
        assert handler(event, 1, 2, dry=True) == (event, 1, 2, True, ANNA)
        assert handler(event=event, context=1) == (event, 1, None, False, ANNA)

    def test_methods(self) -> None:
        class Shop:
            @tag_lambda_handler
            def handler(self, event: Any, context: Any) -> Any:
                return current_session(), context

            @classmethod
            @tag_lambda_handler
            def of_class(cls, event: Any, context: Any) -> Any:
                return current_session(), context

            def bare(self, event: Any, context: Any) -> Any:
                return current_session(), context

        event = {"headers": {HEADER_NAME: ANNA.token}}
        assert Shop().handler(event, 1) == (ANNA, 1)
        assert Shop().handler(event=event, context=1) == (ANNA, 1)
        assert Shop.of_class(event, 1) == (ANNA, 1)
        assert tag_lambda_handler(Shop().bare)(event, 1) == (ANNA, 1)

    def test_a_method_behind_another_decorator(self) -> None:
        def logged(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return function(*args, **kwargs)

            return wrapper

        class Shop:
            @tag_lambda_handler
            @logged
            def handler(self, event: Any, context: Any) -> Any:
                return current_session(), context

        assert Shop().handler({"headers": {HEADER_NAME: ANNA.token}}, 1) == (ANNA, 1)

    def test_what_it_does_not_take_is_its_own_error(self) -> None:
        @tag_lambda_handler
        def handler(event: Any, context: Any) -> Any:
            return None

        with pytest.raises(TypeError, match="unexpected keyword argument 'dry'"):
            handler({}, None, dry=True)  # type: ignore[call-arg]
