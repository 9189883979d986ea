from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator.settings import Settings

SMALLEST = {
    "DEPLOYMENT": "Shop",
    "SESSION_TABLE_ARN": "arn:aws:dynamodb:eu-west-1:1:table/sessions",
    "LINE_RETENTION_SECONDS": "2592000",
    "RETRY_QUEUE_URL": "https://sqs/retry",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "ACCEPT_UNSIGNED_IDS": "true",
    "FIRST_PAUSE_SECONDS": "30",
    "MAX_PAUSE_SECONDS": "900",
    "RETRY_SECONDS": "86400",
}


def test_the_smallest_environment() -> None:
    assert Settings.from_environment(SMALLEST) == Settings(
        deployment="Shop",
        session_table_arn="arn:aws:dynamodb:eu-west-1:1:table/sessions",
        line_retention_seconds=2_592_000,
        retry_queue_url="https://sqs/retry",
        dead_letter_queue_url="https://sqs/dead",
        token_secret_arn=None,
        accept_unsigned_ids=True,
        detailed_metrics=False,
        first_pause_seconds=30,
        max_pause_seconds=900,
        retry_seconds=86_400,
    )


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"ACCEPT_UNSIGNED_IDS": "false"}, False),
        ({"TOKEN_SECRET_ARN": ""}, True),
        ({"TOKEN_SECRET_ARN": "arn", "ACCEPT_UNSIGNED_IDS": "false"}, False),
        ({"TOKEN_SECRET_ARN": "arn", "ACCEPT_UNSIGNED_IDS": "true"}, True),
    ],
)
def test_unsigned_ids_are_accepted_on_request(changes: dict[str, str], accepted: bool) -> None:
    settings = Settings.from_environment({**SMALLEST, **changes})
    assert settings.accept_unsigned_ids is accepted
    assert settings.token_secret_arn == (changes.get("TOKEN_SECRET_ARN") or None)


def test_detailed_metrics() -> None:
    assert Settings.from_environment({**SMALLEST, "DETAILED_METRICS": "true"}).detailed_metrics
    assert not Settings.from_environment({**SMALLEST, "DETAILED_METRICS": "no"}).detailed_metrics


@pytest.mark.parametrize("missing", list(SMALLEST))
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        Settings.from_environment({k: v for k, v in SMALLEST.items() if k != missing})


@pytest.mark.parametrize("name", [name for name in SMALLEST if name.endswith("SECONDS")])
def test_a_number_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="soon"):
        Settings.from_environment({**SMALLEST, name: "soon"})


_WITH_A_SECRET = st.tuples(st.text(min_size=1), st.booleans())
_SECONDS = st.integers(0, 10**10)


@given(
    _WITH_A_SECRET | st.just((None, True)),
    st.booleans(),
    st.tuples(*4 * [st.text()]),
    st.tuples(*4 * [_SECONDS]),
)
def test_settings_survive_the_environment(
    secret: tuple[str | None, bool],
    detailed: bool,
    texts: tuple[str, ...],
    seconds: tuple[int, ...],
) -> None:
    deployment, table, retry_queue, dead_letter_queue = texts
    retention, first, longest, retry = seconds
    settings = Settings(
        deployment=deployment,
        session_table_arn=table,
        line_retention_seconds=retention,
        retry_queue_url=retry_queue,
        dead_letter_queue_url=dead_letter_queue,
        token_secret_arn=secret[0],
        accept_unsigned_ids=secret[1],
        detailed_metrics=detailed,
        first_pause_seconds=first,
        max_pause_seconds=longest,
        retry_seconds=retry,
    )
    assert Settings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"TOKEN_SECRET_ARN": "arn", "ACCEPT_UNSIGNED_IDS": "false"},
        {"TOKEN_SECRET_ARN": "arn", "ACCEPT_UNSIGNED_IDS": "true", "DETAILED_METRICS": "true"},
    ],
)
def test_the_environment_is_written_as_it_was_read(changes: dict[str, Any]) -> None:
    environment = {**SMALLEST, **changes}
    assert Settings.from_environment(environment).to_environment() == environment
