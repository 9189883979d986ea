"""Linked lines for tests, and the session table's attributes read back."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import LEVELS, LinkedLine
from openreplay_cw_stack.contract.session_table import (
    Attributes,
    SessionItem,
    StoredItem,
    read_item,
)

ARRIVED_MS = 1_795_464_000_123
RETENTION_SECONDS = 30 * 86_400

LINE = LinkedLine(
    session=4118144119896553030,
    time=1_795_464_000_000,
    id="0123",
    owner="123456789012",
    group="/app/checkout",
    stream="web-1",
    level="error",
    message="ValueError: «no stock» left",
)

any_text = st.text(st.characters(exclude_categories=()))
"""Texts with lone surrogates as well."""

event_ids = st.text("0123456789", min_size=1, max_size=56)
times = st.integers(0, 9_999_999_999_999)

lines_of_one_stream = st.lists(
    st.builds(
        partial(replace, LINE),
        id=event_ids,
        time=times,
        level=st.sampled_from(LEVELS),
        message=st.text(max_size=40),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda line: line.id,
)
"""Lines of one session and one log stream, each with its own id."""


def written(item: SessionItem, arrived_ms: int = ARRIVED_MS) -> Attributes:
    return item.attributes(arrived_ms=arrived_ms, retention_seconds=RETENTION_SECONDS)


def read_back(item: SessionItem) -> StoredItem:
    return read_item(item.session, written(item))


def incompressible(characters: int, seed: int = 1) -> str:
    """A text of ASCII characters that takes three quarters of its length when compressed."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return "".join(random.Random(seed).choices(alphabet, k=characters))
