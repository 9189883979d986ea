"""Session tags that were judged before: of the lines of one session, one signature is computed."""

from __future__ import annotations

from typing import NamedTuple

from openreplay_cw_stack.tagging import TagForm, Verdict, id_tag, parse_token
from openreplay_cw_stack.tagging.verdict import decisive_tag

MAX_TAGS = 4096
"""How many are kept. At about 500 bytes each they take 2 MB."""

MAX_CHARACTERS = 160
"""A tag with a session token of 64-bit numbers is at most 113 characters long."""


class KnownTag(NamedTuple):
    """A bracketed session tag with a token that is linkable.

    Attributes:
        session_id: its session.
        expires_ms: when its token expires, in milliseconds since 1970.
        id_tag: the session tag that stands in its place in the linked line.
    """

    session_id: int
    expires_ms: int
    id_tag: str


class KnownTags:
    """Linkable tags by their text, as judged with the token secret of the moment."""

    def __init__(self) -> None:
        self._token_secret: bytes | None = None
        self._tags: dict[str, KnownTag | None] = {}

    def judged_with(self, token_secret: bytes | None) -> dict[str, KnownTag | None]:
        """What is known under this secret; :meth:`add` has the rest."""
        if token_secret != self._token_secret or len(self._tags) >= MAX_TAGS:
            self._tags = {}
            self._token_secret = token_secret
        return self._tags

    def add(self, text: str) -> KnownTag | None:
        """Judge a tag and keep it; None where the text is anything but one linkable token's tag.

        Args:
            text: from the opening bracket to the closing one.
        """
        if len(text) > MAX_CHARACTERS:
            return None
        known = _judged(text, self._token_secret)
        if len(self._tags) < MAX_TAGS:
            self._tags[text] = known
        return known


def _judged(text: str, token_secret: bytes | None) -> KnownTag | None:
    judged = decisive_tag(text, token_secret=token_secret, unsigned_ids_accepted=False, now_ms=0)
    tag = judged.tag
    if judged.verdict is not Verdict.LINKABLE or judged.session_id is None or tag is None:
        return None
    if tag.form is not TagForm.TOKEN or (tag.start, tag.end) != (0, len(text)):
        return None
    expires_ms = parse_token(tag.value).expires_ms
    return KnownTag(judged.session_id, expires_ms, id_tag(judged.session_id))
