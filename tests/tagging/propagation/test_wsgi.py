from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from openreplay_cw_stack.tagging.propagation import (
    WSGIMiddleware,
    current_session,
    propagation_counts,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.exceptions import session_of_exception
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.tokens import TOKEN_SECRET, a_token

KEY = "HTTP_X_OPENREPLAY_SESSIONTOKEN"


def ask(app: Any, **environ: Any) -> list[bytes]:
    """An answer, as a server takes it."""
    request: dict[str, Any] = dict(environ)
    setup_testing_defaults(request)
    answer = app(request, lambda status, headers, exc_info=None: lambda data: None)
    try:
        return list(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()


class Recording:
    """An application that notes whose work it does, at each step."""

    def __init__(self, make: Callable[[Recording], Iterable[bytes]]) -> None:
        self.seen: list[Session | None] = []
        self.make = make

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.note()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.make(self)

    def note(self) -> None:
        self.seen.append(current_session())


def pieces(app: Recording) -> Iterator[bytes]:
    try:
        for _ in range(2):
            app.note()
            yield b"x"
    finally:
        app.note()


def test_a_request_is_its_visitors() -> None:
    app = Recording(lambda app: [b"done"])
    for session in (ANNA, BERT):
        assert ask(WSGIMiddleware(app), **{KEY: session.token}) == [b"done"]
    assert app.seen == [ANNA, BERT]
    assert current_session() is None


def test_so_is_its_answer_while_it_is_made() -> None:
    app = Recording(pieces)
    request: dict[str, Any] = {KEY: ANNA.token}
    setup_testing_defaults(request)
    answer: Any = WSGIMiddleware(app)(request, lambda *_: None)
    with use_session(BERT):
        for piece in answer:
            assert piece == b"x"
            assert current_session() is BERT
        answer.close()
    assert app.seen == [ANNA] * 4


def test_an_answer_that_is_left_off() -> None:
    app = Recording(pieces)
    request: dict[str, Any] = {KEY: ANNA.token}
    setup_testing_defaults(request)
    answer: Any = WSGIMiddleware(app)(request, lambda *_: None)
    next(answer)
    answer.close()
    assert app.seen == [ANNA] * 3


def test_without_a_token_the_application_answers_itself() -> None:
    answer = [b"done"]
    app = WSGIMiddleware(Recording(lambda app: answer))
    assert app({}, lambda *_: None) is answer


@pytest.mark.parametrize("token", ["", "nonsense", f"{ANNA.token},{BERT.token}"])
def test_of_nobody(token: str) -> None:
    app = Recording(pieces)
    with use_session(BERT):
        ask(WSGIMiddleware(app), **{KEY: token})
    assert app.seen == [None] * 4
    assert propagation_counts()["ignored_headers"] == int(bool(token))


def test_lists_and_files_stay_what_they_are() -> None:
    for answer in ([b"x"], (b"x",), FileWrapper(io.BytesIO(b"x"))):
        environ = {KEY: ANNA.token, "wsgi.file_wrapper": FileWrapper}
        assert WSGIMiddleware(lambda *_, answer=answer: answer)(environ, print) is answer


@pytest.mark.parametrize("where", ["call", "iterate"])
def test_an_exception_is_known_to_be_the_visitors(where: str) -> None:
    def fail(app: Recording) -> Iterator[bytes]:
        if where == "call":
            raise KeyError("no stock left")
        return failing()

    def failing() -> Iterator[bytes]:
        yield b"x"
        raise KeyError("no stock left")

    with pytest.raises(KeyError) as raised:
        ask(WSGIMiddleware(Recording(fail)), **{KEY: ANNA.token})
    assert session_of_exception(raised.value) == ANNA


def test_it_keeps_to_the_standard() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"a", b"b"])

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        return lambda data: None

    request: dict[str, Any] = {KEY: ANNA.token, "QUERY_STRING": ""}
    setup_testing_defaults(request)
    request["wsgi.errors"] = sys.stderr
    checked: Any = validator(WSGIMiddleware(validator(app)))
    answer = checked(request, start_response)
    assert b"".join(answer) == b"ab"
    answer.close()


def test_its_settings() -> None:
    app = Recording(lambda app: [b""])
    ask(WSGIMiddleware(app, header_name="X-Visit"), HTTP_X_VISIT=ANNA.token)
    ask(
        WSGIMiddleware(app, accept_session_id=True),
        **{"HTTP_OPENREPLAYSESSION.ID": str(BERT.session_id)},
    )
    assert [one and one.session_id for one in app.seen] == [ANNA.session_id, BERT.session_id]
    with pytest.raises(ValueError, match="header_name"):
        WSGIMiddleware(app, header_name="X Visit")


def test_it_verifies_tokens() -> None:
    app = Recording(lambda app: [b""])
    verifying = WSGIMiddleware(app, token_secret=TOKEN_SECRET)
    for token in (ANNA.token, a_token(token_secret=b"a guess")):
        ask(verifying, **{KEY: token})
    assert app.seen == [ANNA, None]
    assert propagation_counts()["unverified_headers"] == 1
