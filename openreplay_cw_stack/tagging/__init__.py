"""The language of the product: the session tag, the session token, and the verdict on a log line.

Standard library only, so a backend can import it to judge its own lines.

>>> from openreplay_cw_stack.tagging import judge
>>> judgement = judge("[openReplaySession.id=4118144119896553030] ValueError: no stock left")
>>> str(judgement.verdict), judgement.session_id
('linkable', 4118144119896553030)
"""

from __future__ import annotations

from openreplay_cw_stack.tagging.grammar import (
    ID_TAG_NAME,
    TOKEN_TAG_NAME,
    MalformedToken,
    SessionToken,
    id_tag,
    parse_session_id,
    parse_token,
    token_tag,
)
from openreplay_cw_stack.tagging.judgement import Judgement, PollSkip, judge
from openreplay_cw_stack.tagging.minting import compose_token
from openreplay_cw_stack.tagging.redaction import remove_session_tokens
from openreplay_cw_stack.tagging.text_tags import SessionTag, TagForm, find_tags
from openreplay_cw_stack.tagging.verdict import Reader, Verdict

__all__ = [
    "ID_TAG_NAME",
    "TOKEN_TAG_NAME",
    "Judgement",
    "MalformedToken",
    "PollSkip",
    "Reader",
    "SessionTag",
    "SessionToken",
    "TagForm",
    "Verdict",
    "compose_token",
    "find_tags",
    "id_tag",
    "judge",
    "parse_session_id",
    "parse_token",
    "remove_session_tokens",
    "token_tag",
]
