"""Parse the body of a search.

OpenReplay v1.21 to v1.27 searches for a session with ``{"size":1000,"query":{"match_phrase":
{"message":"openReplaySession.id=<decimal>"}}}``. Its test of credentials is ``{"size":1}``; these
versions contain the test but never send it (``backend/pkg/integrations/clients/elastic.go``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.tagging import ID_TAG_NAME, parse_session_id

DEFAULT_SIZE = 10
"""Elasticsearch's default."""
LARGEST_SIZE = 10_000
"""Elasticsearch's ``index.max_result_window``."""

_PHRASE = re.compile(rf"\s*\[?{re.escape(ID_TAG_NAME)}=([0-9]{{1,64}})\]?\s*", re.ASCII)


class UnsupportedQuery(ValueError):
    """The body is not a search that the bridge supports.

    Attributes:
        kind: the name of Elasticsearch's exception for it.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class SearchRequest:
    """A search.

    Attributes:
        size: the maximum number of hits.
        session_id: the session to search for; None if any line matches, or no line can.
        matches_any: whether any line matches, as in a test of the credentials.
    """

    size: int
    session_id: int | None = None
    matches_any: bool = False


def parse_search_request(body: bytes) -> SearchRequest:
    """Parse a search.

    Raises:
        UnsupportedQuery: the body is not JSON, or contains another query.
    """
    document = _json(body)
    size = _size(document.get("size", DEFAULT_SIZE))
    query = document.get("query", {"match_all": {}})
    if not isinstance(query, dict) or len(query) != 1:
        raise _other_query()
    ((kind, clause),) = query.items()
    if kind == "match_all":
        return SearchRequest(size, matches_any=True)
    if kind != "match_phrase" or not isinstance(clause, dict) or list(clause) != ["message"]:
        raise _other_query()
    return SearchRequest(size, _session_id(clause["message"]))


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise UnsupportedQuery("x_content_parse_exception", "the body is not JSON") from None
    if not isinstance(document, dict):
        raise UnsupportedQuery("parsing_exception", "the body is not a JSON object")
    return document


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SIZE:
        raise UnsupportedQuery(
            "illegal_argument_exception", f"[size] must be a number from 0 to {LARGEST_SIZE}"
        )
    return value


def _session_id(clause: Any) -> int | None:
    phrase = clause.get("query") if isinstance(clause, dict) else clause
    if not isinstance(phrase, str):
        raise _other_query()
    match = _PHRASE.fullmatch(phrase)
    try:
        return parse_session_id(match.group(1)) if match else None
    except ValueError:
        # No line can contain this phrase, so the search finds nothing.
        return None


def _other_query() -> UnsupportedQuery:
    return UnsupportedQuery(
        "parsing_exception",
        f"this endpoint supports match_phrase on message with {ID_TAG_NAME}=<session id>, "
        "and match_all",
    )
