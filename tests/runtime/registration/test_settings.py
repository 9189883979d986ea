from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.registration.settings import Settings

ENVIRONMENT = {
    "DEPLOYMENT": "Shop",
    "OPENREPLAY_URL": "https://openreplay.example",
    "PROJECTS": '{"arn:login":[7,8],"arn:other":[9]}',
    "REPLACED_INTEGRATIONS": "[8]",
    "INSECURE": "false",
    "KEY_SECRET_ARN": "arn:key",
    "BRIDGE_URL": "https://bridge.example/",
}


def test_every_variable_is_read() -> None:
    assert Settings.from_environment(ENVIRONMENT) == Settings(
        deployment="Shop",
        url="https://openreplay.example",
        projects={"arn:login": (7, 8), "arn:other": (9,)},
        replaced=frozenset({8}),
        insecure=False,
        key_secret_arn="arn:key",
        bridge_url="https://bridge.example/",
    )


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        Settings.from_environment({k: v for k, v in ENVIRONMENT.items() if k != missing})


@given(
    st.builds(
        Settings,
        deployment=st.text(),
        url=st.text(),
        projects=st.dictionaries(st.text(), st.lists(st.integers()).map(tuple)),
        replaced=st.frozensets(st.integers()),
        insecure=st.booleans(),
        key_secret_arn=st.text(),
        bridge_url=st.text(),
    )
)
def test_settings_survive_the_environment(settings: Settings) -> None:
    assert Settings.from_environment(settings.to_environment()) == settings


def test_the_environment_is_written_as_it_was_read() -> None:
    assert Settings.from_environment(ENVIRONMENT).to_environment() == ENVIRONMENT
