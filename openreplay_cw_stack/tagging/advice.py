"""Advice on each verdict, for the developer who writes the log line."""

from __future__ import annotations

from openreplay_cw_stack.tagging.verdict import Verdict

ADVICE: dict[Verdict, str] = {
    Verdict.UNTAGGED: "Put [openReplaySessionToken=<token>] into the message; the token comes with "
    "the visitor's request.",
    Verdict.MISSPELLED_TAG: "Write openReplaySessionToken=<token> exactly like this, without "
    "spaces. A field of that name must be at the top level of a line that is one whole JSON "
    "object: check whether the line is cut, has a prefix, or nests the field.",
    Verdict.CONFLICTING_TAGS: "Fields of the line name different sessions: log request bodies in a "
    "separate object, so that they cannot overwrite the program's field.",
    Verdict.EMPTY_TOKEN: "The request carried no token, or the program lost it: check the header "
    "X-OpenReplay-SessionToken from the browser to the logging call.",
    Verdict.MASKED_TOKEN: "A data protection policy of the log group masks the token: exclude the "
    "token from the policy, or log openReplaySession.id=<id>.",
    Verdict.MALFORMED_TOKEN: "The value is not a session token: log the whole value of the header, "
    "unchanged and as text (a number gets rounded), and no tag if the header is missing.",
    Verdict.BAD_SIGNATURE: "The token was signed with another secret: it comes from another "
    "OpenReplay, token_secret is wrong here, or the token is forged.",
    Verdict.UNSIGNED: "Anyone can write an id: log the token, or set accept_unsigned_ids if only "
    "your own code can write to the log.",
    Verdict.LINKABLE: "Nothing to do: OpenReplay can show this line next to the replay.",
}
"""The advice by verdict."""
