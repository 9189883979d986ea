from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.bridge.settings import Settings
from tests.runtime.bridge.support import SETTINGS

ENVIRONMENT = {
    "DEPLOYMENT": "Shop",
    "SESSION_TABLE_ARN": "arn:table",
    "RETRY_QUEUE_URL": "https://queue",
    "API_KEY_SECRET_ARN": "arn:secret",
    "ALLOWED_SOURCE_RANGES": "198.51.100.0/24,2001:db8::/32",
    "SETTLE_SECONDS": "60",
    "SESSION_LIFETIME_SECONDS": "3600",
    "HOLD_UNTIL_OVER": "true",
    "SHOW_LOG_GROUP": "false",
    "DEADLINE_SECONDS": "7.5",
    "PREVIOUS_KEY_SECONDS": "86400",
    "KEY_REFRESH_SECONDS": "30",
}


def test_every_variable_is_read() -> None:
    assert Settings.from_environment(ENVIRONMENT) == Settings(
        deployment="Shop",
        session_table_arn="arn:table",
        retry_queue_url="https://queue",
        api_key_secret_arn="arn:secret",
        allowed_source_ranges=(
            ipaddress.ip_network("198.51.100.0/24"),
            ipaddress.ip_network("2001:db8::/32"),
        ),
        settle_ms=60_000,
        session_lifetime_ms=3_600_000,
        hold_until_over=True,
        show_log_group=False,
        deadline_seconds=7.5,
        previous_key_seconds=86_400.0,
        key_refresh_seconds=30.0,
    )


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_one_that_is_missing_is_named(name: str) -> None:
    environment = {one: value for one, value in ENVIRONMENT.items() if one != name}
    with pytest.raises(KeyError, match=name):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    "changes",
    [
        {"ALLOWED_SOURCE_RANGES": "everywhere"},
        {"ALLOWED_SOURCE_RANGES": "198.51.100.7/24"},
        {"SETTLE_SECONDS": "soon"},
        {"DEADLINE_SECONDS": ""},
    ],
)
def test_one_that_is_no_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Settings.from_environment({**ENVIRONMENT, **changes})


_NETWORKS = st.builds(
    lambda address, bits: ipaddress.ip_network((address, address.max_prefixlen - bits), False),
    st.ip_addresses(),
    st.integers(0, 32),
)
_SECONDS = st.integers(0, 10**10)
_PARTS_OF_SECONDS = st.floats(0, 1e10) | _SECONDS.map(float)


@given(
    st.builds(
        Settings,
        deployment=st.text(),
        session_table_arn=st.text(),
        retry_queue_url=st.text(),
        api_key_secret_arn=st.text(),
        allowed_source_ranges=st.lists(_NETWORKS, max_size=5).map(tuple),
        settle_ms=_SECONDS.map(lambda seconds: 1000 * seconds),
        session_lifetime_ms=_SECONDS.map(lambda seconds: 1000 * seconds),
        hold_until_over=st.booleans(),
        show_log_group=st.booleans(),
        deadline_seconds=_PARTS_OF_SECONDS,
        previous_key_seconds=_PARTS_OF_SECONDS,
        key_refresh_seconds=_PARTS_OF_SECONDS,
    )
)
def test_settings_survive_the_environment(settings: Settings) -> None:
    assert Settings.from_environment(settings.to_environment()) == settings


def test_the_environment_is_written_as_it_was_read() -> None:
    assert Settings.from_environment(ENVIRONMENT).to_environment() == ENVIRONMENT


class TestAddresses:
    def test_without_ranges_everybody_may_ask(self) -> None:
        settings = Settings.from_environment({**ENVIRONMENT, "ALLOWED_SOURCE_RANGES": ""})
        assert settings.allows("203.0.113.9")
        assert SETTINGS.allows("")

    @pytest.mark.parametrize(
        ("address", "allowed"),
        [
            ("198.51.100.7", True),
            ("2001:db8::7", True),
            ("203.0.113.9", False),
            ("2001:db9::7", False),
            ("not an address", False),
            ("", False),
            ("198.51.100.7, 203.0.113.9", False),
        ],
    )
    def test_otherwise_an_address_in_one_of_them(self, address: str, allowed: bool) -> None:
        assert Settings.from_environment(ENVIRONMENT).allows(address) is allowed
