from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openreplay_cw_stack.tagging.propagation import (
    ASGIMiddleware,
    current_session,
    propagation_counts,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.exceptions import session_of_exception
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.tokens import TOKEN_SECRET, a_token

NAME = b"x-openreplay-sessiontoken"


class Recording:
    def __init__(self) -> None:
        self.seen: list[Session | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        self.seen.append(current_session())
        if scope.get("fail"):
            raise KeyError("no stock left")
        background = asyncio.create_task(self.later())
        await background

    async def later(self) -> None:
        await asyncio.sleep(0)
        self.seen.append(current_session())


def scope_of(*values: str | None, kind: str = "http", **more: Any) -> dict[str, Any]:
    headers = [(NAME, value.encode()) for value in values if value is not None]
    return {"type": kind, "headers": [(b"host", b"shop.example"), *headers], **more}


async def ask(app: Any, *scopes: dict[str, Any]) -> list[Any]:
    jobs = (app(scope, None, None) for scope in scopes)
    return await asyncio.gather(*jobs, return_exceptions=True)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_requests_at_once_are_their_visitors(kind: str) -> None:
    app = Recording()
    scopes = [scope_of(one, kind=kind) for one in (ANNA.token, BERT.token, None)]
    asyncio.run(ask(ASGIMiddleware(app), *scopes))
    assert sorted(app.seen, key=str) == sorted([ANNA, BERT, None] * 2, key=str)
    assert current_session() is None


def test_the_applications_life() -> None:
    app = Recording()
    asyncio.run(ask(ASGIMiddleware(app), {"type": "lifespan"}))
    assert app.seen == [None, None]


@pytest.mark.parametrize("values", [["nonsense"], [ANNA.token, BERT.token], ["\xff"]])
def test_of_nobody(values: list[str]) -> None:
    app = Recording()
    with use_session(BERT):
        asyncio.run(ask(ASGIMiddleware(app), scope_of(*values)))
    assert app.seen == [None, None]
    assert propagation_counts()["ignored_headers"] == 1


def test_an_exception_is_known_to_be_the_visitors() -> None:
    (exc,) = asyncio.run(ask(ASGIMiddleware(Recording()), scope_of(ANNA.token, fail=True)))
    assert isinstance(exc, KeyError)
    assert session_of_exception(exc) == ANNA


def test_its_settings() -> None:
    app = Recording()
    own = {"type": "http", "headers": [(b"X-Visit", str(ANNA.token).encode())]}
    asyncio.run(ask(ASGIMiddleware(app, header_name="X-Visit"), own))
    by_id = {"type": "http", "headers": [(b"openreplaysession.id", str(BERT.session_id).encode())]}
    asyncio.run(ask(ASGIMiddleware(app, accept_session_id=True), by_id))
    assert [one and one.session_id for one in app.seen] == [ANNA.session_id] * 2 + [
        BERT.session_id
    ] * 2
    with pytest.raises(ValueError, match="header_name"):
        ASGIMiddleware(app, header_name="")


def test_it_verifies_tokens() -> None:
    app = Recording()
    verifying = ASGIMiddleware(app, token_secret=TOKEN_SECRET)
    for token in (ANNA.token, a_token(token_secret=b"a guess")):
        asyncio.run(ask(verifying, scope_of(token)))
    assert app.seen == [ANNA, ANNA, None, None]
    assert propagation_counts()["unverified_headers"] == 1
