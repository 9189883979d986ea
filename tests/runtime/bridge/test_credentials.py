from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.bridge.credentials import (
    Acceptance,
    ApiKey,
    ApiKeys,
    KeysUnavailable,
    KeyVersion,
    parse_authorization,
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class TestAuthorization:
    @pytest.mark.parametrize("scheme", ["APIKey", "ApiKey", "apikey", "APIKEY", "Basic", "basic"])
    def test_schemes_in_any_letter_case(self, scheme: str) -> None:
        assert parse_authorization(f"{scheme} {encoded('id:key')}") == ApiKey("id", "key")

    def test_a_key_may_hold_colons_and_other_letters(self) -> None:
        assert parse_authorization(f"ApiKey {encoded('id:a:é')}") == ApiKey("id", "a:é")

    def test_without_padding_and_url_safe(self) -> None:
        for text in ("id:k", "id:ke", "id:key", "id:ÿ?>"):
            url_safe = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            assert parse_authorization(f"ApiKey {url_safe}") == ApiKey(*text.split(":"))

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "ApiKey",
            "ApiKey ",
            f"Bearer {encoded('id:key')}",
            encoded("id:key"),
            f"ApiKey {encoded('no colon')}",
            f"ApiKey {encoded(':key')}",
            f"ApiKey {encoded('id:')}",
            "ApiKey ***",
            "ApiKey a",
            f"ApiKey {base64.b64encode(bytes([255, 58, 255])).decode()}",
            f"ApiKey {encoded('id:key')} and more",
            f"ApiKey {'A' * 10_000}",
            "ApiKey " + " " * 10_000,
        ],
    )
    def test_anything_else_is_none(self, header: str) -> None:
        assert parse_authorization(header) is None

    @given(st.text(), st.text(min_size=1).filter(lambda text: ":" not in text))
    def test_any_text_is_parsed_or_none(self, header: str, api_key_id: str) -> None:
        parse_authorization(header)
        parse_authorization(f"ApiKey {header}")

    def test_a_key_is_not_shown(self) -> None:
        assert "secret" not in repr(ApiKey("id", "secret"))


OLD, NEW = ApiKey("openreplay", "old"), ApiKey("openreplay", "new")


@dataclass
class Source:
    keys: Sequence[ApiKey] | None = (OLD,)
    now: float = 0.0
    reads: int = field(default=0)

    def __call__(self) -> Sequence[KeyVersion]:
        self.reads += 1
        if self.keys is None:
            raise KeysUnavailable("ThrottlingException")
        return [KeyVersion(f"version of {key.api_key}", key) for key in self.keys]


class TestApiKeys:
    def setup_method(self) -> None:
        self.source = Source()
        self.keys = ApiKeys(self.source, lambda: self.source.now)

    def test_the_right_key_costs_one_read_in_five_minutes(self) -> None:
        assert all(self.keys.accept(OLD) for _ in range(9))
        assert self.source.reads == 1
        self.source.now = 301.0
        assert self.keys.accept(OLD)
        assert self.source.reads == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            NEW,
            ApiKey("openreplay", "ol"),
            ApiKey("openreplay", "old "),
            ApiKey("openrepla", "yold"),
            ApiKey("old", "openreplay"),
            ApiKey("openreplay\0old", ""),
        ],
    )
    def test_a_wrong_key_is_refused(self, wrong: ApiKey) -> None:
        assert not self.keys.accept(wrong)

    def test_a_wrong_key_causes_one_read_a_minute(self) -> None:
        assert self.keys.accept(OLD)
        self.source.now = 61.0
        for _ in range(100):
            assert not self.keys.accept(NEW)
        assert self.source.reads == 2
        self.source.now = 121.0
        assert not self.keys.accept(NEW)
        assert self.source.reads == 3

    def test_a_new_key_is_accepted_at_once_and_the_previous_with_it(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = (NEW, OLD), 61.0
        assert self.keys.accept(NEW)
        assert self.keys.accept(OLD)

    def test_a_key_that_was_taken_back_is_refused_after_five_minutes(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = (NEW,), 301.0
        assert not self.keys.accept(OLD)

    def test_keys_that_cannot_be_read_any_more_stay_in_use(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = None, 301.0
        assert self.keys.accept(OLD)

    def test_a_key_that_may_be_newer_is_not_refused_while_keys_cannot_be_read(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = None, 301.0
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                self.keys.accept(NEW)
        assert self.source.reads == 2
        self.source.keys, self.source.now = (OLD,), 362.0
        assert not self.keys.accept(NEW)

    def test_which_version_it_was_and_whether_there_are_others(self) -> None:
        self.source.keys = (NEW, OLD)
        assert self.keys.accept(OLD) == Acceptance("version of old", is_one_of_several=True)
        self.source.keys, self.source.now = (NEW,), 301.0
        assert self.keys.accept(NEW) == Acceptance("version of new", is_one_of_several=False)

    def test_how_often_keys_are_read_again_can_be_set(self) -> None:
        keys = ApiKeys(self.source, lambda: self.source.now, refresh_seconds=2.0)
        assert keys.accept(OLD)
        self.source.keys, self.source.now = (NEW,), 1.9
        assert not keys.accept(NEW)
        self.source.now = 2.0
        assert keys.accept(NEW)

    def test_keys_that_never_could_be_read(self) -> None:
        self.source.keys = None
        for _ in range(5):
            with pytest.raises(KeysUnavailable):
                self.keys.accept(OLD)
        assert self.source.reads == 1
        self.source.keys, self.source.now = (OLD,), 61.0
        assert self.keys.accept(OLD)
