from __future__ import annotations

import pytest

from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.tagging import Reader

SMALLEST = {
    "DEPLOYMENT": "Shop",
    "LINKED_LOG_GROUP": "/linked",
    "OWN_LOG_GROUP": "/own",
    "READERS": "search",
}


def test_defaults() -> None:
    settings = Settings.from_environment(SMALLEST)
    assert settings.policy.readers == {Reader.SEARCH}
    assert settings.policy.accept_unsigned_ids
    assert settings.token_secret_arn is None
    assert not settings.detailed_metrics


def test_with_a_secret_unsigned_ids_need_a_word() -> None:
    with_secret = {**SMALLEST, "TOKEN_SECRET_ARN": "arn"}
    assert not Settings.from_environment(with_secret).policy.accept_unsigned_ids
    asked_for = {**with_secret, "ACCEPT_UNSIGNED_IDS": "true"}
    assert Settings.from_environment(asked_for).policy.accept_unsigned_ids


def test_both_readers() -> None:
    settings = Settings.from_environment({**SMALLEST, "READERS": "poll,search"})
    assert settings.policy.readers == {Reader.POLL, Reader.SEARCH}


@pytest.mark.parametrize("missing", list(SMALLEST))
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        Settings.from_environment({k: v for k, v in SMALLEST.items() if k != missing})


def test_log_groups_that_are_refused() -> None:
    settings = Settings.from_environment({**SMALLEST, "REFUSED_LOG_GROUPS": "/linked,/bridge"})
    refused = [
        name for name in ("/linked", "/own", "/bridge", "/app", "") if settings.refuses("1", name)
    ]
    assert refused == ["/linked", "/own", "/bridge"]
    assert settings.own_account is None


def test_in_another_account_a_name_says_nothing() -> None:
    settings = Settings.from_environment({**SMALLEST, "OWN_ACCOUNT": "1"})
    assert settings.refuses("1", "/linked")
    assert not settings.refuses("2", "/linked")
