"""Whose request is being worked on: what is carried, and how it is read from a request's headers.

A header is trusted only where it is a session token to the letter; everything else is ignored and
counted. So nothing that a client sends can put a line break, or another visitor's tag, into a log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from openreplay_cw_stack.tagging.grammar import (
    MalformedToken,
    id_tag,
    parse_session_id,
    parse_token,
    token_tag,
)
from openreplay_cw_stack.tagging.propagation import counts

HEADER_NAME = "X-OpenReplay-SessionToken"
"""The header that the tracker's ``network.sessionTokenHeader: true`` sends (tracker 5.0.0 on)."""

SESSION_ID_HEADER_NAME = "openReplaySession.id"
"""The header of OpenReplay's newer pages: a decimal session id, which nobody signs."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# 13 + 14 + 13 + 44 characters and three dots, without leading zeros.
_LONGEST_TOKEN = 128
# A server may join the header of a proxy and that of the tracker.
_LONGEST_HEADER = 4 * _LONGEST_TOKEN
# Neither a session token nor an id.
_NEITHER = "?"


@dataclass(frozen=True)
class Session:
    """A visitor's session, as it is carried with the work for one of their requests.

    Attributes:
        session_id: the session, 0 to 2**64 - 1.
        tag: the session tag that log lines get.
        token: the session token, a bearer credential of the session; None where only the id is
            known.
    """

    session_id: int
    tag: str = field(repr=False)
    token: str | None = field(repr=False)

    @staticmethod
    def of_token(token: str) -> Session:
        """The session that a session token names.

        Raises:
            MalformedToken: it is none. The message never quotes it.
        """
        if len(token) > _LONGEST_TOKEN:
            raise MalformedToken(f"a session token has at most {_LONGEST_TOKEN} characters")
        return Session(parse_token(token).session_id, token_tag(token), token)

    @staticmethod
    def of_id(session_id: str) -> Session:
        """The session with a decimal id.

        Raises:
            ValueError: it is no decimal number of 64 bits.
        """
        number = parse_session_id(session_id)
        return Session(number, id_tag(number), None)


def session_of_token(token: object) -> Session | None:
    """The session of a token from outside; None, and counted, where it is no session token.

    None and an empty text are no attempt, and are not counted.
    """
    return _checked(Session.of_token, token)


@dataclass(frozen=True)
class HeaderReader:
    """Finds the visitor's session in the headers of a request.

    Attributes:
        header_name: the header with the session token.
        accept_session_id: also understand ``openReplaySession.id``. Anybody can send another
            visitor's id there, and nothing signs it: only for callers that you trust.

    Raises:
        ValueError: the name can be no header's.
    """

    header_name: str = HEADER_NAME
    accept_session_id: bool = False

    def __post_init__(self) -> None:
        if not _HEADER_NAME.match(self.header_name):
            raise ValueError(
                f"header_name must be the name of an HTTP header, such as {HEADER_NAME}, not "
                f"{self.header_name!r}"
            )

    def read(self, values_of: Callable[[str], Iterable[object]]) -> Session | None:
        """The session that the headers name, or None.

        Args:
            values_of: all values of a header, by its name. More than one is no session token:
                which of them is the visitor's cannot be told.
        """
        try:
            session = _only(values_of(self.header_name), Session.of_token)
            if session is None and self.accept_session_id:
                session = _only(values_of(SESSION_ID_HEADER_NAME), Session.of_id)
        except Exception:
            # Headers of another form than the protocol has: the request goes on without a session.
            counts.count(counts.IGNORED_HEADERS)
            return None
        return session


def _only(values: Iterable[object], parse: Callable[[str], Session]) -> Session | None:
    # Twice the same is one: the tracker adds the header to requests that have it already.
    found: set[object] = set()
    for value in values:
        if not isinstance(value, str):
            found.add(None if value is None else _NEITHER)
        elif len(value) > _LONGEST_HEADER:
            found.add(_NEITHER)
        elif "," in value:
            # Servers join values with a comma, which is in no session token.
            found |= {part.strip(" ") for part in value.split(",")}
        else:
            found.add(value)
        if len(found) > 1:
            counts.count(counts.IGNORED_HEADERS)
            return None
    return _checked(parse, found.pop()) if found else None


def _checked(parse: Callable[[str], Session], value: object) -> Session | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            return parse(value)
        except ValueError:
            pass
    counts.count(counts.IGNORED_HEADERS)
    return None
