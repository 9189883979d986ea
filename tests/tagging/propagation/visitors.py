"""Two visitors, and what must be true of every line of theirs."""

from __future__ import annotations

import logging

from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.propagation import HEADER_NAME, Session, use_session
from tests.tagging.tokens import a_token

ANNA = Session.of_token(a_token(session_id=4118144119896553030))
BERT = Session.of_token(a_token(session_id=16086839093308416, delay_ms=-5))
VISITORS = (ANNA, BERT)


def headers_of(session: Session) -> dict[str, str]:
    assert session.token is not None
    return {HEADER_NAME: session.token}


def field_of(session: Session) -> str:
    """The token field, as it is added to a JSON line."""
    return f'"openReplaySessionToken": "{session.token}"'


def a_record(session: Session | None, text: str) -> logging.LogRecord:
    """A record that is made in the session's work."""
    logger = logging.getLogger("tests.propagation")
    with use_session(session):
        return logger.makeRecord(logger.name, logging.ERROR, "shop.py", 1, text, (), None)


def check_lines(text: str, session: Session | None) -> list[str]:
    """Every physical line has the tag of the session once, or its field; the lines without it."""
    bare = []
    for line in filter(str.strip, text.split("\n")):
        assert [line.count(str(one.token)) for one in VISITORS] == [
            int(one is session) for one in VISITORS
        ], line
        if session is None:
            bare.append(line)
            continue
        judgement = judge(line)
        assert judgement.verdict is Verdict.LINKABLE
        assert judgement.session_id == session.session_id
        bare.append(line.replace(f"{session.tag} ", "").replace(f"{field_of(session)}, ", ""))
    return bare
