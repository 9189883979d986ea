"""The picture of a terminal has what was printed."""

from __future__ import annotations

import pytest

from pictures.svg import texts_of
from pictures.terminal import draw_terminal, section, steps

PRINTED = """\
\033[1mthe demo\033[0m
A sentence.

  ... cdk deploy
  \033[32m✓\033[0m cdk deploy

\033[1mVerdicts of the lines\033[0m

  linkable  8

\033[1mThe lines\033[0m

  <b> & "c"

\033[32mEverything works as expected\033[0m.

\033[1mNext\033[0m

  1. go on
"""


def test_a_section_ends_at_the_next_heading_or_the_result() -> None:
    assert section(PRINTED, "Verdicts") == ("\033[1mVerdicts of the lines\033[0m\n\n  linkable  8")
    assert section(PRINTED, "The lines").endswith('  <b> & "c"')
    assert section(PRINTED, "Next").endswith("1. go on")
    with pytest.raises(LookupError, match="no heading that begins with 'Weather'"):
        section(PRINTED, "Weather")


def test_steps_are_shown_as_they_end() -> None:
    assert steps(PRINTED) == (
        "\033[1mthe demo\033[0m\nA sentence.\n\n  \033[32m✓\033[0m cdk deploy"
    )


def test_the_texts_are_drawn_in_their_colours() -> None:
    svg = draw_terminal(section(PRINTED, "The lines") + "\n\033[31mdenied\033[0m", "a title")
    texts = [one.strip() for one in texts_of(svg)]
    assert texts == ["a title", "The lines", '<b> & "c"', "denied"]
    assert "#ff7b72" in svg
    assert "font-face" not in svg
