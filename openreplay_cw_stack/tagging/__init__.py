"""The language of the product: the session tag, the session token, and the verdict on a log line.

Pure standard library: what a backend imports to try its own lines needs nothing else.

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
    SessionTag,
    SessionToken,
    TagForm,
    find_tags,
    id_tag,
    parse_session_id,
    parse_token,
    token_tag,
)
from openreplay_cw_stack.tagging.redaction import remove_session_tokens
from openreplay_cw_stack.tagging.verdict import Reader, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openreplay_cw_stack.tagging.judgement import Judgement, PollSkip, judge
    from openreplay_cw_stack.tagging.minting import compose_token

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

# The validator and programs that tag lines need none of these, and their starts are to be short.
_LOADED_WHEN_NAMED = {
    "Judgement": "judgement",
    "PollSkip": "judgement",
    "compose_token": "minting",
    "judge": "judgement",
}

# Type checkers would take every name of a module that has this.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LOADED_WHEN_NAMED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        module = importlib.import_module(f"{__name__}.{_LOADED_WHEN_NAMED[name]}")
        globals()[name] = getattr(module, name)
        return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
