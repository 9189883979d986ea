"""Fifty lines for testing the subscription filter pattern: as many as AWS accepts in one call.

They contain each spelling of a session tag that the validator judges, in the forms in which
programs write it, and lines that resemble tagged lines. The pattern depends only on the tag's name,
so a few values are enough. No line has a header such as ``X-OpenReplay-SessionToken``: a header is
not a tag, but the pattern can select it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PatternLine:
    """A log line for testing the filter pattern.

    Attributes:
        what: a description of the line.
        text: the line.
        tagged: whether it has a session tag, so the pattern must select it.
    """

    what: str
    text: str
    tagged: bool


# Expired in 2023, with an invalid signature.
_TOKEN = "vacw97eg4wna.1v7.lbdvpc00.pUeE4zAftLaQYR3dJ6fvdKguey33QorwnQc5xrAqwwc"
_ID = "4118144119896553030"

_TAGGED = {
    "token tag": f"[openReplaySessionToken={_TOKEN}] ERROR card declined",
    "id tag": f"[openReplaySession.id={_ID}] ERROR card declined",
    "token tag without brackets": f"ERROR card declined openReplaySessionToken={_TOKEN}",
    "id tag without brackets": f"ERROR card declined openReplaySession.id={_ID}",
    "token tag in a JSON text": f'{{"message":"[openReplaySessionToken={_TOKEN}] timeout"}}',
    "id tag in a JSON text": f'{{"message":"[openReplaySession.id={_ID}] timeout"}}',
    "traceback": "Traceback (most recent call last):\n"
    '  File "app.py", line 7, in pay\n'
    f"ValueError: [openReplaySessionToken={_TOKEN}] no card",
    "two tags": f"[openReplaySessionToken={_TOKEN}] [openReplaySession.id={_ID}] timeout",
    "other scripts": f"Überweisung 失敗 [openReplaySessionToken={_TOKEN}] ❌",
    "long line": f"{'x' * 5000} [openReplaySessionToken={_TOKEN}]",
    "negative delay": "[openReplaySessionToken=vacw97eg4wna.-1v7.lbdvpc00.pUeE4zAftLaQYR3dJ6fv] x",
    "three parts": "[openReplaySessionToken=vacw97eg4wna.lbdvpc00.pUeE4zAftLaQYR3dJ6fv] x",
    "cut token": "error [openReplaySessionToken=vacw97",
    "empty token": "[openReplaySessionToken=] error",
    "token None": "[openReplaySessionToken=None] error",
    "masked token": "[openReplaySessionToken=***********] error",
    "lower case": f"openreplaysessiontoken={_TOKEN}",
    "upper case": f"OPENREPLAYSESSIONTOKEN={_TOKEN}",
    "capital O": f"OpenReplaySessionToken={_TOKEN}",
    "small t": f"[openReplaySessiontoken={_TOKEN}]",
    "underscores": f"openreplay_session_token={_TOKEN}",
    "underscores between all words": f"open_replay_session_token={_TOKEN}",
    "underscores in upper case": f"OPEN_REPLAY_SESSION_ID={_ID}",
    "hyphens": f"openreplay-session-token: {_TOKEN}",
    "hyphens between all words": f"open-replay-session-id={_ID}",
    "blanks": f"OpenReplay session token: {_TOKEN}",
    "blanks around =": f"openReplaySessionToken = {_TOKEN}",
    "colon": f"openReplaySessionToken: {_TOKEN}",
    "%3D": f"openReplaySessionToken%3D{_TOKEN}",
    "no separator": f"[openReplaySessionToken {_TOKEN}]",
    "JSON key": f'{{"openReplaySessionToken": "{_TOKEN}", "level": "error"}}',
    "JSON key in a JSON text": f'{{\\"openReplaySessionToken\\":\\"{_TOKEN}\\"}}',
    "Python key": f"{{'openReplaySessionToken': '{_TOKEN}'}}",
    "id, capital I": f"openReplaySession.Id={_ID}",
    "id without a dot": f"openReplaySessionId={_ID}",
    "id, upper case": f"OPENREPLAYSESSION.ID={_ID}",
    "id with a colon": f"openReplaySession.id: {_ID}",
    "id as a JSON key": f'{{"openReplaySession.id": {_ID}}}',
    "id in a JSON object": f'{{"openReplaySession":{{"id":"{_ID}"}}}}',
}
_UNTAGGED = {
    "error": "ERROR card declined",
    "Lambda's first line": "START RequestId: 5f0b7cf3-9d55-4d5a-8ed9-0b7f2f3a5b1e Version: $LATEST",
    "JSON": '{"level":"error","message":"card declined","session":{"id":"4118144119896553030"}}',
    "another library's token": f"sessionToken={_TOKEN}",
    "another library's id": f"session.id={_ID}",
    "the product's name": "OpenReplay tracker started",
    "the words apart": "open the replay of this session, token and id are in the header",
    "words in another order": f"replayOpenSessionToken={_TOKEN}",
    "a word missing": f"openReplayToken={_TOKEN}",
    "long s": f"openReplaySeſſionToken={_TOKEN}",
    "long line without a tag": "y" * 5000,
}

PATTERN_LINES = (
    *(PatternLine(what, text, True) for what, text in _TAGGED.items()),
    *(PatternLine(what, text, False) for what, text in _UNTAGGED.items()),
)
