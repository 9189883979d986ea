from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from openreplay_cw_stack.tagging.propagation.choices import check_tag, level_number
from tests.tagging.propagation.visitors import ANNA


@pytest.fixture
def a_level_of_the_program() -> Iterator[None]:
    logging.addLevelName(25, "Notice")
    yield
    logging._levelToName.pop(25)
    logging._nameToLevel.pop("Notice")


@pytest.mark.usefixtures("a_level_of_the_program")
@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.WARNING, 30),
        ("WARNING", 30),
        ("warning", 30),
        ("NOTSET", 0),
        (0, 0),
        (35, 35),
        ("35", 35),
        ("Notice", 25),
    ],
)
def test_a_level(level: int | str, number: int) -> None:
    assert level_number(level) == number


@pytest.mark.parametrize("level", ["loud", "", "²", "9" * 5000, -1, True, 3.5, None, "Level 7"])
def test_what_is_no_level(level: object) -> None:
    with pytest.raises(ValueError, match="level must be a level of the logging module") as raised:
        level_number(level)
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize("tag", ["ID", "", None, 7, [], ANNA.token])
def test_what_is_no_choice_of_a_tag(tag: object) -> None:
    with pytest.raises(ValueError, match='tag must be "token" or "id", not') as raised:
        check_tag(tag)
    assert str(ANNA.token) not in str(raised.value)
