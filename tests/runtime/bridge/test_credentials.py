from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.limits import KEY_REFRESH_SECONDS
from openreplay_cw_stack.runtime.bridge.credentials import (
    Acceptance,
    ApiKey,
    ApiKeys,
    KeysRead,
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
    keys: Sequence[ApiKey] = (OLD,)
    failure: str | None = None
    now: float = 0.0
    reads: int = field(default=0)

    def __call__(self) -> KeysRead:
        self.reads += 1
        versions = [KeyVersion(f"version of {key.api_key}", key) for key in self.keys]
        return KeysRead(versions, self.failure)


class TestApiKeys:
    def setup_method(self) -> None:
        self.source = Source()
        self.failures: list[str] = []
        self.keys = ApiKeys(
            self.source,
            lambda: self.source.now,
            refresh_seconds=45.0,
            on_failure=self.failures.append,
        )

    def test_any_number_of_requests_costs_one_read_in_so_many_seconds(self) -> None:
        for moment in (0.0, 44.9):
            self.source.now = moment
            assert all(self.keys.accept(OLD) for _ in range(9))
            assert not any(self.keys.accept(NEW) for _ in range(9))
            assert self.source.reads == 1
        self.source.now = 45.0
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

    def test_the_previous_key_is_accepted_with_the_new_one(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = (NEW, OLD), 45.0
        assert self.keys.accept(NEW) == Acceptance("version of new", is_one_of_several=True)
        assert self.keys.accept(OLD) == Acceptance("version of old", is_one_of_several=True)

    @pytest.mark.parametrize("left", [(NEW,), ()])
    def test_a_revoked_key_is_refused_within_a_minute(self, left: Sequence[ApiKey]) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.now = left, 45.0
        assert not self.keys.accept(OLD)
        assert self.failures == []
        assert KEY_REFRESH_SECONDS < 60

    @pytest.mark.parametrize("read", [(), (NEW,)])
    def test_a_failed_read_takes_no_key_away(self, read: Sequence[ApiKey]) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.failure = read, "ThrottlingException"
        for time_of_read in (45.0, 90.0):
            self.source.now = time_of_read
            assert self.keys.accept(OLD)
            for one in read:
                assert self.keys.accept(one)
        assert self.failures == ["ThrottlingException"] * 2

    def test_an_unknown_key_is_not_refused_while_keys_cannot_be_read(self) -> None:
        assert self.keys.accept(OLD)
        self.source.failure, self.source.now = "ThrottlingException", 45.0
        for _ in range(3):
            with pytest.raises(KeysUnavailable, match="ThrottlingException"):
                self.keys.accept(NEW)
        assert self.source.reads == 2
        self.source.failure, self.source.now = None, 90.0
        assert not self.keys.accept(NEW)

    def test_a_clean_read_ends_what_a_failed_one_kept(self) -> None:
        assert self.keys.accept(OLD)
        self.source.keys, self.source.failure, self.source.now = (NEW,), "InternalFailure", 45.0
        assert self.keys.accept(OLD)
        self.source.failure, self.source.now = None, 90.0
        assert self.keys.accept(NEW) == Acceptance("version of new", is_one_of_several=False)
        assert not self.keys.accept(OLD)

    def test_keys_that_never_could_be_read(self) -> None:
        self.source.keys, self.source.failure = (), "ThrottlingException"
        for _ in range(5):
            with pytest.raises(KeysUnavailable):
                self.keys.accept(OLD)
        assert self.source.reads == 1
        self.source.keys, self.source.failure, self.source.now = (OLD,), None, 45.0
        assert self.keys.accept(OLD)
