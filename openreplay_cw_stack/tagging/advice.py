"""What to do about each verdict, in one sentence for the developer of the log line."""

from __future__ import annotations

from openreplay_cw_stack.tagging.verdict import Verdict

ADVICE: dict[Verdict, str] = {
    Verdict.UNTAGGED: "Put [openReplaySessionToken=<token>] into the message; the token comes with "
    "the visitor's request.",
    Verdict.MISSPELLED_TAG: "Write the tag to the letter: openReplaySessionToken=<token>, in this "
    "case, with = and no blanks. A field of that name counts in a line that is one whole JSON "
    "object: is this line cut or prefixed, or the field in a nested object?",
    Verdict.CONFLICTING_TAGS: "Fields of the line name different sessions: keep logged request "
    "bodies in an object of their own, so that they cannot overwrite the program's field.",
    Verdict.EMPTY_TOKEN: "The request carried no token, or it was not passed on: check the header "
    "X-OpenReplay-SessionToken from the browser to the line that logs.",
    Verdict.MASKED_TOKEN: "A data protection policy of the log group masks the token: exclude it "
    "there, or log openReplaySession.id=<id>.",
    Verdict.MALFORMED_TOKEN: "The value is not a session token: log the header's value as it is, "
    "whole, as text (a number gets rounded), and nothing if there is none.",
    Verdict.BAD_SIGNATURE: "Signed with another secret: the token of another OpenReplay, the wrong "
    "token_secret here, or a forgery.",
    Verdict.UNSIGNED: "Anybody can write an id: log the token, or set accept_unsigned_ids if only "
    "your own code can write it.",
    Verdict.LINKABLE: "Nothing: OpenReplay can show this line next to the replay.",
}
"""The advice by verdict."""
