"""Session tags that were judged before: a session's signature is computed once."""

from __future__ import annotations

from openreplay_cw_stack.runtime.linked_line import encode_session
from openreplay_cw_stack.tagging import TagForm, Verdict, id_tag, parse_token, token_tag
from openreplay_cw_stack.tagging.values import Value
from openreplay_cw_stack.tagging.verdict import decisive_tag

MAX_TAGS = 4096
"""How many are kept. At about 500 bytes each they take 2 MB."""

MAX_CHARACTERS = 160
"""A session token of 64-bit numbers is at most 88 characters long."""


class KnownTag(Value):
    """A bracketed session tag with a token that is linkable.

    An encoded linked line of its session, and the message of one, begin with these texts.
    """

    expires_ms: int
    line_begins: str
    message_begins: str


class KnownTags:
    """Linkable tags by their value, as judged with the token secret of the moment."""

    def __init__(self) -> None:
        self._token_secret: bytes | None = None
        self._tags: dict[str, KnownTag | None] = {}

    def judged_with(self, token_secret: bytes | None) -> dict[str, KnownTag | None]:
        """What is known under this secret; :meth:`add` has the rest."""
        if token_secret != self._token_secret or len(self._tags) >= MAX_TAGS:
            self._tags = {}
            self._token_secret = token_secret
        return self._tags

    def add(self, value: str) -> KnownTag | None:
        """Judge the bracketed tag of a value; None where it is not one linkable token's tag."""
        if len(value) > MAX_CHARACTERS:
            return None
        known = _judged(token_tag(value), self._token_secret)
        if len(self._tags) < MAX_TAGS:
            self._tags[value] = known
        return known


def _judged(text: str, token_secret: bytes | None) -> KnownTag | None:
    judged = decisive_tag(text, token_secret=token_secret, unsigned_ids_accepted=False, now_ms=0)
    tag = judged.tag
    if judged.verdict is not Verdict.LINKABLE or judged.session_id is None or tag is None:
        return None
    if tag.form is not TagForm.TOKEN or (tag.start, tag.end) != (0, len(text)):
        return None
    return KnownTag(
        parse_token(tag.value).expires_ms,
        encode_session(judged.session_id),
        f"{id_tag(judged.session_id)} ",
    )
