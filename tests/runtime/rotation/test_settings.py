"""The construct and the function agree on the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.rotation.settings import Settings
from tests.infra.conftest import EVERY_FUNCTION, a_stack, environment_of, template_of

NAME = st.text("abc/:-.", min_size=1, max_size=9)


@given(
    st.builds(
        Settings,
        deployment=NAME,
        grace=st.integers(0, 10**8).map(float),
        notice=st.integers(0, 10**8).map(float),
        orphan_after=st.integers(0, 10**8).map(float),
        known_after=st.integers(0, 10**8).map(float),
        api_key_secret_arn=st.none() | NAME,
        access_key_secret_arn=st.none() | NAME,
        user_name=NAME | st.just(""),
        reader_log_group=NAME | st.just(""),
        stack_id=NAME,
        region=st.just("eu-west-1"),
        api_key_projects=st.lists(NAME, max_size=3).map(tuple),
        registration_functions=st.lists(NAME, max_size=3).map(tuple),
        reader_addresses_limited=st.booleans(),
    )
)
def test_what_is_written_is_read(settings: Settings) -> None:
    environment = {**settings.to_environment(), "AWS_REGION": "eu-west-1"}
    assert Settings.from_environment(environment) == settings


def test_everything_that_the_construct_writes_is_read() -> None:
    environment = environment_of(template_of(a_stack(**EVERY_FUNCTION)), "Rotation")
    settings = Settings.from_environment({**environment, "AWS_REGION": "eu-west-1"})
    assert settings.grace == 7 * 86_400
    assert settings.notice == 86_400
    assert settings.known_after == 55
    assert settings.orphan_after == 60
    assert settings.api_key_projects == ("openreplay.example/1",)
    assert "LogGroupapp" in settings.reader_log_group
    assert not settings.reader_addresses_limited
    assert len(settings.registration_functions) == 1
    assert settings.api_key_secret_arn
    assert settings.access_key_secret_arn
    assert settings.user_name
    assert settings.region == "eu-west-1"


def test_without_a_bridge_or_a_service_account() -> None:
    rotation = EVERY_FUNCTION["rotation"]
    for keywords, missing in (
        ({"bridge": False}, "api_key_secret_arn"),
        ({"service_account": False}, "access_key_secret_arn"),
    ):
        template = template_of(a_stack(rotation=rotation, **keywords))
        environment = environment_of(template, "Rotation")
        settings = Settings.from_environment({**environment, "AWS_REGION": "eu-west-1"})
        assert getattr(settings, missing) is None
        assert settings.registration_functions == ()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="DEPLOYMENT"):
        Settings.from_environment({})
