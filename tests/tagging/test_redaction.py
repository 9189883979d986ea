from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import remove_session_tokens
from openreplay_cw_stack.tagging.redaction import REMOVED
from tests.tagging.tokens import a_token, minted_tokens

TOKEN = a_token()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "'X-OpenReplay-SessionToken': '{}'",
        "GET /pay?token={}&x=1",
        '{{"token":"{}"}}',
        "[openReplaySessionToken={}]",
        "a{}b",
        "a.b.{}.c.d",
        "{}.",
        "{0}.{0}",
        "{0}{0}",
        "{0}.{0}{0}..{0}",
        "é{}é",
        "-{}-",
        "_{}_",
    ],
)
def test_a_token_is_removed_wherever_it_stands(text: str) -> None:
    for token in (TOKEN, a_token(delay_ms=-12345), a_token(delay_ms=None)):
        cleaned = remove_session_tokens(text.format(token))
        assert REMOVED in cleaned
        assert token.rsplit(".", 1)[1] not in cleaned


@given(st.lists(st.tuples(st.text(max_size=20), minted_tokens), min_size=1, max_size=4))
def test_no_token_survives_in_any_text(pieces: list[tuple[str, str]]) -> None:
    cleaned = remove_session_tokens("".join(text + token for text, token in pieces))
    for _, token in pieces:
        assert token not in cleaned
        assert quote(token) not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter",
        "at com.acme.shop.checkout.CheckoutController$$EnhancerBySpringCGLIB$$1a2b3c4d.pay",
        "node:internal/process/task_queues:95:5",
        "2026-11-24T03:11:49.123Z INFO 10.20.30.40 - - 1.2.3.4",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "app.1.2.9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "",
    ],
)
def test_what_only_looks_a_little_like_one_stays(text: str) -> None:
    assert remove_session_tokens(text) == text


@pytest.mark.parametrize("piece", ["a", "a.", ".", ".-", "1" * 37 + ".", "é", "\ud800", TOKEN])
def test_a_megabyte_of_anything(piece: str) -> None:
    remove_session_tokens(piece * (1_000_000 // len(piece)))
