"""Session tokens judged before: a payload has many lines of one session."""

from __future__ import annotations

from functools import lru_cache, partial

from openreplay_cw_stack.tagging.verdict import JudgedToken, judge_token

_TOKENS = 4096
_LONGEST = 160
"""Characters. A session token of 64-bit numbers has at most 88."""


class TokenMemo:
    """Judges session tokens, and remembers its answers while the token secret stays the same."""

    def __init__(self) -> None:
        self._use(None)

    def judge_with(self, token_secret: bytes | None) -> None:
        """Judge with this token secret from now on; None: every well-formed signature is right."""
        if token_secret != self._token_secret:
            self._use(token_secret)

    def judge(self, text: str) -> JudgedToken:
        """Judge a session token."""
        if len(text) > _LONGEST:
            return judge_token(text, self._token_secret)
        return self._remembered(text)

    def _use(self, token_secret: bytes | None) -> None:
        self._token_secret = token_secret
        self._remembered = lru_cache(_TOKENS)(partial(judge_token, token_secret=token_secret))
