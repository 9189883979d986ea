"""A visitor's session, and how to read it from a request's headers.

A header counts only if it is exactly a session token; everything else is ignored and counted. A
client therefore cannot inject a line break or a second tag into a log. Only the signature proves
that OpenReplay minted the token; pass ``token_secret`` to verify it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from openreplay_cw_stack.tagging.grammar import (
    MalformedToken,
    id_tag,
    parse_session_id,
    parse_token,
    token_tag,
)
from openreplay_cw_stack.tagging.propagation import counts

HEADER_NAME = "X-OpenReplay-SessionToken"
"""The header that the tracker sends with ``network.sessionTokenHeader: true``, from 5.0.0 on."""

SESSION_ID_HEADER_NAME = "openReplaySession.id"
"""The header in OpenReplay's newer documentation: a decimal session id without a signature."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# 13 + 14 + 13 + 44 characters and three dots, without leading zeros.
_MAX_TOKEN = 128
# A server may join the proxy's header and the tracker's.
_MAX_HEADER = 4 * _MAX_TOKEN
# A placeholder for values that are neither a session token nor an id.
_NEITHER = "?"


_is_writing_ids = False


def write_ids(is_chosen: bool) -> None:
    """Set whether :attr:`Session.tag` is the id tag or the token tag, for the whole process."""
    global _is_writing_ids
    _is_writing_ids = is_chosen


@dataclass(frozen=True)
class Session:
    """A visitor's session during one of their requests.

    Attributes:
        session_id: the session, 0 to 2**64 - 1.
        token: the session token, a bearer credential of the session; None if only the id is known.
    """

    session_id: int
    token: str | None = field(repr=False)

    @property
    def tag(self) -> str:
        """The session tag for log lines, as chosen with ``install(tag=...)``."""
        return self._id_tag if _is_writing_ids else self._token_tag

    @cached_property
    def _token_tag(self) -> str:
        return self._id_tag if self.token is None else token_tag(self.token)

    @cached_property
    def _id_tag(self) -> str:
        return id_tag(self.session_id)

    @staticmethod
    def of_token(token: str) -> Session:
        """Return the session that a session token names.

        Raises:
            MalformedToken: the text is not a session token. The message never quotes it.
        """
        if len(token) > _MAX_TOKEN:
            raise MalformedToken(f"a session token has at most {_MAX_TOKEN} characters")
        return Session(parse_token(token).session_id, token)

    @staticmethod
    def of_id(session_id: str) -> Session:
        """Return the session with a decimal id.

        Raises:
            ValueError: the text is not a decimal number of 64 bits.
        """
        return Session(parse_session_id(session_id), None)


def session_of_token(token: object) -> Session | None:
    """Return the session of a token, or None.

    Text that is not a token is counted; None and empty text are not.
    """
    return _checked(Session.of_token, token)


@dataclass(frozen=True)
class HeaderReader:
    """Finds the visitor's session in the headers of a request.

    Attributes:
        header_name: the header with the session token.
        accept_session_id: also read ``openReplaySession.id``. It has no signature, and anyone can
            send another visitor's id, so use it only for trusted callers.
        token_secret: OpenReplay's ``TOKEN_SECRET``; trailing line ends are removed. A token that
            was not signed with it is ignored and counted. With None, signatures are not verified:
            anyone can send a token with another visitor's session id and a made-up signature.

    Raises:
        ValueError: the header name is invalid, or the secret is empty or combined with
            ``accept_session_id``. The message never quotes the secret.
    """

    header_name: str = HEADER_NAME
    accept_session_id: bool = False
    token_secret: bytes | str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _HEADER_NAME.match(self.header_name):
            raise ValueError(
                f"header_name must be the name of an HTTP header, such as {HEADER_NAME}, not "
                f"{self.header_name!r}"
            )
        if self.token_secret is not None:
            object.__setattr__(self, "token_secret", _secret_bytes(self.token_secret))
            if self.accept_session_id:
                raise ValueError(
                    "token_secret has no effect together with accept_session_id=True, which lets "
                    "any caller name a session without a signature: leave one of them out"
                )

    def read(self, values_of: Callable[[str], Iterable[object]]) -> Session | None:
        """Return the session that the headers name, or None.

        Args:
            values_of: takes a header name and returns all its values. Several different values are
                ignored, because the visitor's cannot be determined.
        """
        try:
            session = _only(values_of(self.header_name), Session.of_token)
            if session is None and self.accept_session_id:
                session = _only(values_of(SESSION_ID_HEADER_NAME), Session.of_id)
        except Exception:
            # The headers break the protocol: the request continues without a session.
            counts.count(counts.IGNORED_HEADERS)
            return None
        if session is not None and not self._is_verified(session):
            counts.count(counts.UNVERIFIED_HEADERS)
            return None
        return session

    def _is_verified(self, session: Session) -> bool:
        secret = self.token_secret
        if not isinstance(secret, bytes) or session.token is None:
            return True
        return parse_token(session.token).is_signed_with(secret)


def _secret_bytes(token_secret: object) -> bytes:
    secret = token_secret
    if isinstance(secret, str):
        # Python decodes environment bytes that are not UTF-8 to surrogates.
        secret = secret.encode("utf-8", "surrogateescape")
    secret = secret.rstrip(b"\r\n") if isinstance(secret, bytes) else b""
    if not secret:
        raise ValueError(
            "token_secret must be OpenReplay's TOKEN_SECRET, as text or bytes, and not empty; "
            "leave it out to read tokens without checking their signatures"
        )
    return secret


def _only(values: Iterable[object], parse: Callable[[str], Session]) -> Session | None:
    # Equal values count once: the tracker adds the header to requests that already have it.
    found: set[object] = set()
    for value in values:
        if not isinstance(value, str):
            found.add(None if value is None else _NEITHER)
        elif len(value) > _MAX_HEADER:
            found.add(_NEITHER)
        elif "," in value:
            # Servers join values with a comma, which never occurs in a session token.
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
