from __future__ import annotations

import json
import pprint
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
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


NOTATIONS = [
    (".", "-"),
    ("%2E", "%2D"),
    ("%2e", "%2d"),
    ("%25252E", "%25252D"),
    ("\\u002e", "\\u002d"),
    ("\\\\u002E", "\\\\u002D"),
]


@pytest.mark.parametrize(("dot", "sign"), NOTATIONS)
@pytest.mark.parametrize("delay_ms", [7, -12345, None])
def test_a_token_in_every_notation_is_removed_whole(
    dot: str, sign: str, delay_ms: int | None
) -> None:
    text = a_token(delay_ms=delay_ms).replace(".", dot).replace("-", sign)
    assert remove_session_tokens(f"a {text}") == f"a {REMOVED}"


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


@pytest.mark.parametrize(
    "piece",
    [
        "'\n'",
        "'\n",
        "\\'\\n",
        "'\n b'a.1.",
        "a",
        "a.",
        ".",
        ".-",
        "1" * 37 + ".",
        "é",
        "\ud800",
        TOKEN,
    ],
)
def test_a_megabyte_of_anything(piece: str) -> None:
    remove_session_tokens(piece * (1_000_000 // len(piece)))


def pieces_of(token: str) -> set[str]:
    """What no text has by chance: eight digits of the signature."""
    signature = token.rsplit(".", 1)[1]
    return {signature[start : start + 8] for start in range(len(signature) - 8)}


class TestBrokenLiterals:
    """``pprint`` breaks long texts and bytes into literals of their own lines."""

    @settings(deadline=None)
    @given(
        minted_tokens,
        st.integers(20, 120),
        st.integers(0, 30),
        st.sampled_from(
            ["{}", "a=b; openReplaySessionToken={}; c=d", "O'Brien {}", 'say "x" {} it\'s']
        ),
        st.booleans(),
        st.sampled_from([str, json.dumps, lambda text: json.dumps({"log": json.dumps(text)})]),
    )
    def test_no_piece_of_a_token_is_left(
        self,
        token: str,
        width: int,
        depth: int,
        around: str,
        as_bytes: bool,
        notation: Callable[[str], str],
    ) -> None:
        text = around.format(token)
        headers = [("x-openreplay-sessiontoken", text), ("host", "shop.example")]
        value: object = [(a.encode(), b.encode()) for a, b in headers] if as_bytes else headers
        for _ in range(depth):
            value = [value]
        printed = notation(pprint.pformat(value, width=width))
        cleaned = remove_session_tokens(printed)
        assert REMOVED in cleaned
        assert not {piece for piece in pieces_of(token) if piece in cleaned}
        for word in ("shop.example", "x-openreplay"):
            assert (word in printed) == (word in cleaned)

    def test_bytes_in_double_quotes_in_json(self) -> None:
        """Bytes with an apostrophe are written in double quotes, which JSON escapes."""
        printed = pprint.pformat([f"it's {TOKEN}".encode()], width=40)
        assert 'b"' in printed
        assert TOKEN not in printed
        for text in (printed, json.dumps(printed), json.dumps({"log": json.dumps(printed)})):
            cleaned = remove_session_tokens(text)
            assert not {piece for piece in pieces_of(TOKEN) if piece in cleaned}

    def test_what_stands_around_them_stays(self) -> None:
        broken = f"[b'a',\n b'{TOKEN[:30]}'\n b'{TOKEN[30:]}',\n 'some '\n 'words']"
        assert remove_session_tokens(broken) == f"[b'a',\n b'{REMOVED}',\n 'some '\n 'words']"

    @pytest.mark.parametrize("between", ["', '", "\n", "' + '", "' 'x"])
    def test_other_texts_are_not_joined(self, between: str) -> None:
        text = f"'{TOKEN[:30]}{between}{TOKEN[30:]}'"
        assert remove_session_tokens(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Cookie: a=b; openReplaySessionToken={}; c=d",
        "set-cookie: __or_token={}; Path=/; HttpOnly",
        "cookie: s=%7B%22token%22%3A%22{}%22%7D",
        'Cookie: s="{}"',
        "cookie: j:{{\\042token\\042:\\042{}\\042}}",
    ],
)
@pytest.mark.parametrize("encode", [str, quote, lambda token: token.replace(".", "%252E")])
def test_a_token_in_a_cookie_is_removed(text: str, encode: Callable[[str], str]) -> None:
    cleaned = remove_session_tokens(text.format(encode(TOKEN)))
    assert REMOVED in cleaned
    assert not {piece for piece in pieces_of(TOKEN) if piece in cleaned}
