from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import (
    MalformedToken,
    SessionTag,
    SessionToken,
    TagForm,
    compose_token,
    find_tags,
    parse_session_id,
    parse_token,
    token_tag,
)
from tests.tagging.tokens import (
    EXPIRES_MS,
    TOKEN_SECRET,
    a_token,
    signed_64,
    times_ms,
    unsigned_64,
)

# From OpenReplay's own tokenizer.
WORKED_TOKEN = "j4ba0ae04j7c.-11.lp0bjpq8.HosruKofsxG7keWG1qqprXTFT8QYQY9PToxTNDUaKFaC"
WORKED_OLDER_TOKEN = "j4ba0ae04j7c.lp0bjpq8.EiawcFYc5hAsS3KdrTnXJXsKK9d5tn2YGZq9dKLvguc8"


class TestWorkedExamples:
    def test_compose_mints_what_openreplay_mints(self) -> None:
        numbers = {"session_id": 2516582400000315960, "expires_ms": 1700086400000}
        assert compose_token(**numbers, delay_ms=-37, token_secret=b"s3cret") == WORKED_TOKEN
        assert compose_token(**numbers, delay_ms=None, token_secret=b"s3cret") == WORKED_OLDER_TOKEN

    def test_parse(self) -> None:
        token = parse_token(WORKED_TOKEN)
        assert token.session_id == 2516582400000315960
        assert token.delay_ms == -37
        assert token.expires_ms == 1700086400000
        assert token.is_signed_with(b"s3cret")
        assert not token.is_signed_with(b"S3cret")

    def test_parse_older(self) -> None:
        token = parse_token(WORKED_OLDER_TOKEN)
        assert token.delay_ms is None
        assert token.is_signed_with(b"s3cret")


@given(unsigned_64, st.none() | signed_64, times_ms, st.binary(min_size=1, max_size=64))
@example(0, 0, 0, b"\0")
@example(2**64 - 1, -(2**63), 2**63 - 1, b"x")
def test_a_composed_token_round_trips(
    session_id: int, delay_ms: int | None, expires_ms: int, token_secret: bytes
) -> None:
    token = parse_token(
        compose_token(
            session_id=session_id,
            delay_ms=delay_ms,
            expires_ms=expires_ms,
            token_secret=token_secret,
        )
    )
    assert (token.session_id, token.delay_ms, token.expires_ms) == (
        session_id,
        delay_ms,
        expires_ms,
    )
    assert token.is_signed_with(token_secret)
    assert not token.is_signed_with(token_secret + b"!")


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ({"session_id": -1}, "session_id"),
        ({"session_id": 2**64}, "session_id"),
        ({"expires_ms": -1}, "expires_ms"),
        ({"expires_ms": 2**63}, "expires_ms"),
        ({"delay_ms": 2**63}, "delay_ms"),
        ({"delay_ms": -(2**63) - 1}, "delay_ms"),
    ],
)
def test_compose_refuses_numbers_out_of_range(numbers: dict[str, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        compose_token(
            **{"session_id": 1, "delay_ms": 1, "expires_ms": 1, **numbers},
            token_secret=TOKEN_SECRET,
        )


SIGNATURE = WORKED_TOKEN.rsplit(".", 1)[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "...",
        "....",
        "null",
        "a.b.c",
        f"a.b.c.d.{SIGNATURE}",
        f".1.1.{SIGNATURE}",
        f"1..1.{SIGNATURE}",
        f"1.1..{SIGNATURE}",
        f"1.-.1.{SIGNATURE}",
        f"1.--1.1.{SIGNATURE}",
        f"1.+1.1.{SIGNATURE}",
        f"-1.1.1.{SIGNATURE}",
        f"1.1.-1.{SIGNATURE}",
        f"1_0.1.1.{SIGNATURE}",
        f" 1.1.1.{SIGNATURE}",
        f"1.1.1.{SIGNATURE}\n",
        f"1.1.1.{SIGNATURE[:-2]}",
        f"1.1.1.{SIGNATURE}1",
        f"1.1.1.{SIGNATURE[:-1]}0",
        f"1.1.1.{SIGNATURE[:-1]}O",
        f"1.1.1.{SIGNATURE[:-1]}é",
        f"1.1.1.{'z' * 44}",
        f"1.1.1.{'1' * 44}",
        f"1.1.1.{'z' * 100_000}",
        f"3w5e11264sgsg.1.1.{SIGNATURE}",
        f"{'z' * 100_000}.1.1.{SIGNATURE}",
        f"1.1y2p0ij32e8e8.1.{SIGNATURE}",
        f"1.-1y2p0ij32e8e9.1.{SIGNATURE}",
        f"1.1.1y2p0ij32e8e8.{SIGNATURE}",
        f"١.1.1.{SIGNATURE}",
    ],
)
def test_malformed_tokens_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(MalformedToken) as refused:
        parse_token(text)
    for part in text.split("."):
        if len(part) > 3:
            assert part not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"3w5e11264sgsf.1.1.{SIGNATURE}",
        f"000000000000000000003w5e11264sgsf.1.1.{SIGNATURE}",
        f"1.-1y2p0ij32e8e8.1.{SIGNATURE}",
        f"1.1y2p0ij32e8e7.1.{SIGNATURE}",
        f"1.1.1.{'1' * 32}",
        f"J4BA0AE04J7C.-11.LP0BJPQ8.{SIGNATURE}",
    ],
)
def test_the_ends_of_the_ranges_are_tokens(text: str) -> None:
    parse_token(text)


PARSED = parse_token(WORKED_TOKEN)
(TAG,) = find_tags(token_tag(WORKED_TOKEN))
SHOWN = [
    (
        PARSED,
        "SessionToken(session_id=2516582400000315960, delay_ms=-37, expires_ms=1700086400000)",
    ),
    (
        TAG,
        "SessionTag(form=<TagForm.TOKEN: 'token'>, start=0, value_start=24, value_end=94, end=95)",
    ),
]


class TestTokensAndTagsAsValues:
    @pytest.mark.parametrize(("value", "shown"), SHOWN)
    def test_the_credential_is_not_shown(self, value: object, shown: str) -> None:
        assert repr(value) == str(value) == f"{value}" == shown
        assert "%s" % value == shown  # noqa: UP031

    @pytest.mark.parametrize("value", [PARSED, TAG])
    def test_a_logger_that_writes_json_cannot_take_them_apart(self, value: object) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps({"tag": value})

    @pytest.mark.parametrize("value", [PARSED, TAG])
    def test_no_field_can_be_changed(self, value: object) -> None:
        for name in vars(value):
            with pytest.raises(AttributeError, match=f"cannot assign to field '{name}'"):
                setattr(value, name, None)

    def test_they_are_made_by_place_and_by_name(self) -> None:
        by_name = SessionToken(
            session_id=1, delay_ms=None, expires_ms=2, signature=b"s", signed_text="t"
        )
        assert SessionToken(1, None, 2, b"s", "t") == by_name
        tag = SessionTag(form=TagForm.ID, value="1", start=0, value_start=1, value_end=2, end=3)
        assert SessionTag(TagForm.ID, "1", 0, 1, 2, 3) == tag
        with pytest.raises(TypeError):
            SessionToken(1, None, 2, b"s")  # type: ignore[call-arg]


@given(unsigned_64)
def test_session_ids_round_trip(session_id: int) -> None:
    assert parse_session_id(str(session_id)) == session_id
    assert parse_session_id(f"000{session_id}") == session_id


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.0", "0x1", "1_0", "1 ", "١", str(2**64), "9" * 1_000_000, "1\n"]
)
def test_other_session_ids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        parse_session_id(text)


def test_times_are_judged_in_milliseconds() -> None:
    token = parse_token(a_token(expires_ms=EXPIRES_MS))
    assert not token.is_expired(EXPIRES_MS - 1)
    assert token.is_expired(EXPIRES_MS)
