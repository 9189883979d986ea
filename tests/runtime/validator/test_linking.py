from __future__ import annotations

import json
import time
from functools import partial
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.linking import WITHHELD, JudgedLine, Policy, judge_line
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload
from openreplay_cw_stack.tagging import Verdict, id_tag, judge, token_tag
from openreplay_cw_stack.tagging.redaction import REMOVED, has_session_token
from openreplay_cw_stack.tagging.verdict import judge_token
from tests.contract.lines import any_text
from tests.runtime.payloads import LOG_GROUP, LOG_STREAM, NOW_MS, OWNER
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token, minted_tokens, tokens

GOOD = a_token()
CHECKED = Policy(partial(judge_token, token_secret=TOKEN_SECRET), accept_unsigned_ids=False)
UNCHECKED = Policy(partial(judge_token, token_secret=None), accept_unsigned_ids=True)


def judged(message: str, policy: Policy = CHECKED, stream: str = LOG_STREAM) -> JudgedLine:
    event = LogEvent("0042", NOW_MS, message)
    return judge_line(event, Payload(OWNER, LOG_GROUP, stream, [event]), policy, now_ms=NOW_MS)


def linked(message: str, policy: Policy = CHECKED, stream: str = LOG_STREAM) -> LinkedLine:
    line = judged(message, policy, stream).linked
    assert line is not None
    return line


def test_a_linked_line_names_its_source() -> None:
    assert linked(f"{token_tag(GOOD)} ERROR no stock left") == LinkedLine(
        session=SESSION_ID,
        time=NOW_MS,
        id="0042",
        owner=OWNER,
        group=LOG_GROUP,
        stream=LOG_STREAM,
        level="error",
        message="ERROR no stock left",
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (f"{token_tag(GOOD)} boom", "boom"),
        (f"ERROR {token_tag(GOOD)} boom", "ERROR boom"),
        (f"ERROR boom {token_tag(GOOD)}", "ERROR boom "),
        (f"a\n{token_tag(GOOD)} b", "a\nb"),
        # Lambda's Node.js writes the columns of a line with tabs.
        (f"r\tERROR\t{token_tag(GOOD)} b", "r\tERROR\tb"),
        (f'{{"message": "{token_tag(GOOD)} boom"}}', '{"message": "boom"}'),
        (f"boom openReplaySessionToken={GOOD}.", "boom ."),
        (f"{token_tag(GOOD)}", ""),
        (
            f"{token_tag(GOOD)} boom {{'X-OpenReplay-SessionToken': '{GOOD}'}}",
            "boom {'X-OpenReplay-SessionToken': '<session token removed>'}",
        ),
        (f"{token_tag(GOOD)} and {token_tag(GOOD)}", "and "),
        # An event of several lines, each with the tag.
        (
            f"[ERROR]\n{token_tag(GOOD)}   File\n{token_tag(GOOD)}     raise",
            "[ERROR]\n  File\n    raise",
        ),
        (f"openReplaySessionToken={GOOD} or {GOOD}", "or <session token removed>"),
        (f"[openReplaySessionToken={GOOD} boom", "[ boom"),
        (f"GET /?openReplaySessionToken={GOOD}&x=1", "GET /?&x=1"),
    ],
)
def test_the_tag_is_removed_and_the_text_stays(message: str, text: str) -> None:
    assert linked(message).message == text


def test_the_tag_of_an_id_is_removed_as_well() -> None:
    assert linked(f"{id_tag(12)} a\n{id_tag(12)} b", UNCHECKED).message == "a\nb"
    assert linked("openReplaySession.id=12 error", UNCHECKED).message == "error"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("openReplaySession.id={0} a\nopenReplaySession.id={0} b", "a\nopenReplaySession.id={0} b"),
        ("[openReplaySession.id={0}] of session {0}", "of session {0}"),
        ("[openReplaySession.id={0}] and 4118144119899999999", "and 4118144119899999999"),
        ('{{"session": {0}, "m": "[openReplaySession.id={0}] b"}}', '{{"session": {0}, "m": "b"}}'),
    ],
)
def test_an_id_is_no_secret_and_may_stand_in_the_text(message: str, text: str) -> None:
    line = linked(message.format(SESSION_ID), UNCHECKED)
    assert line.message == text.format(SESSION_ID)


FIELD = f'"openReplaySessionToken":"{GOOD}"'
ESCAPED_FIELD = FIELD.replace('"', '\\"')


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (f"{{{FIELD}}}", "{}"),
        (f'{{{FIELD},"msg":"declined"}}', '{"msg":"declined"}'),
        (f'{{"msg":"declined", {FIELD}}}', '{"msg":"declined"}'),
        (f'{{"a":1, {FIELD} , "b":2}}', '{"a":1, "b":2}'),
        (f'{{ {FIELD}, {FIELD}, "a":1.50}}', '{ "a":1.50}'),
        (f'{{"a":1,"mdc":{{{FIELD}}}}}', '{"a":1,"mdc":{}}'),
        (f'{{"log":"{{{ESCAPED_FIELD},\\"a\\":1}}\\n"}}', '{"log":"{\\"a\\":1}\\n"}'),
        (f'{{"a":"{GOOD}",{FIELD}}}', f'{{"a":"{REMOVED}"}}'),
        # Two fields at the end, and escapes in front of a token.
        (f'{{"a":1,{FIELD},"openReplaySession.id":"{SESSION_ID}"}}', '{"a":1}'),
        (f'{{"a":1, {FIELD}, {FIELD}}}', '{"a":1}'),
        (f'{{"a":"GET\\t{GOOD}",{FIELD}}}', f'{{"a":"GET\\t{REMOVED}"}}'),
        (f'{{"a":"x\\u003d{GOOD}",{FIELD}}}', f'{{"a":"x\\u003d{REMOVED}"}}'),
        (f'{{"a":"x\\n{GOOD}",{FIELD}}}', f'{{"a":"x\\n{REMOVED}"}}'),
        (f'{{"{GOOD}":1,{FIELD}}}', f'{{"{REMOVED}":1}}'),
        # In a text, and not a field: whatever is removed, the text stays one.
        (f'{{"a":"said {ESCAPED_FIELD}, then",{FIELD}}}', '{"a":"said then"}'),
    ],
)
def test_a_token_field_is_removed_and_the_rest_stays(message: str, text: str) -> None:
    assert linked(message).message == text
    json.loads(text)


def test_an_id_field_is_removed_as_well() -> None:
    message = f'{{"openReplaySession.id": "{SESSION_ID}", "session": "{SESSION_ID}"}}'
    assert linked(message, UNCHECKED).message == f'{{"session": "{SESSION_ID}"}}'
    nested = f'{{"openReplaySession": {{"id": "{SESSION_ID}"}}}}'
    assert linked(nested, UNCHECKED).message == nested


@pytest.mark.parametrize("field", ["openReplaySession\\u0054oken", "openReplaySessionToken"])
def test_a_token_field_with_escaped_letters_is_removed(field: str) -> None:
    signature = GOOD.rpartition(".")[2]
    escaped = "".join(f"\\u{ord(one):04x}" for one in GOOD)
    for value in (GOOD, escaped):
        message = linked(f'{{"a": 1, "{field}": "{value}"}}').message
        assert message in (WITHHELD, f'{{"a": 1, "{field}": "{REMOVED}"}}', '{"a": 1}')
        assert signature not in message


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=4),
    st.integers(0, 4),
    st.sampled_from([None, 2]),
    st.sampled_from(["log", "message", None]),
)
def test_a_json_line_is_one_without_its_token_field(
    members: dict[str, object], place: int, indent: int | None, wrapper: str | None
) -> None:
    items = list(members.items())
    items[place:place] = [("openReplaySessionToken", GOOD)]
    message = json.dumps(dict(items), indent=indent)
    if wrapper is not None:
        message = json.dumps({"stream": "stderr", wrapper: message})
    document = json.loads(linked(message).message)
    if wrapper is not None:
        document = json.loads(document[wrapper])
    assert document == members


def test_the_token_of_another_session_is_removed_too() -> None:
    other = a_token(session_id=9)
    assert linked(f"{token_tag(GOOD)} a {token_tag(other)} b").message == (
        f"a [openReplaySessionToken={REMOVED}] b"
    )


def test_the_level_is_that_of_the_text_without_its_tag() -> None:
    assert linked(f"{token_tag(GOOD)} WARNING low stock").level == "warning"
    assert linked(f"{token_tag(GOOD)} fine").level == "info"


def test_the_level_is_that_of_the_line_also_where_its_text_is_withheld() -> None:
    line = linked(f"{token_tag(GOOD)} ERROR bad request\n{GOOD[:40]}\n    {GOOD[40:]}")
    assert (line.message, line.level) == (WITHHELD, "error")


@pytest.mark.parametrize("fold", ["\n      ", "=\n", "\n│ ", " │\n│   "])
def test_a_folded_token_is_withheld_whatever_the_tag_is(fold: str) -> None:
    other = a_token(session_id=9)
    for tag, policy in ((token_tag(GOOD), CHECKED), (id_tag(12), UNCHECKED)):
        text = f"{tag} headers {other[:40]}{fold}{other[40:]}"
        assert linked(text, policy).message == WITHHELD


def test_a_session_token_in_the_name_of_a_log_stream_is_removed() -> None:
    assert linked(token_tag(GOOD), stream=GOOD).stream == REMOVED
    assert linked(token_tag(GOOD), stream=f"web [{GOOD}]").stream == f"web [{REMOVED}]"


def test_a_line_in_which_the_signature_is_left_is_withheld() -> None:
    signature = GOOD.rpartition(".")[2]
    line = linked(f"{token_tag(GOOD)} error signature={signature}")
    assert line.message == WITHHELD
    assert line.session == SESSION_ID


@pytest.mark.parametrize("dot", [".", "%2E", "%2e", "%252E", "\\u002e", "\\\\u002E"])
@pytest.mark.parametrize("sign", ["-", "%2D", "%252d", "\\u002d"])
def test_a_token_in_another_notation_is_removed(dot: str, sign: str) -> None:
    for other in (a_token(session_id=9), a_token(session_id=9, delay_ms=-5), GOOD):
        written = other.replace(".", dot).replace("-", sign)
        message = linked(f"{token_tag(GOOD)} a token%3D{written}&b").message
        # The digits of what is glued to the token go with it.
        assert message == f"a token%{REMOVED}&b"


@pytest.mark.parametrize("line_break", ["\n", "\r\n    ", "\\n", "'\n  '", '" +\n"', "=\n", "\\\n"])
def test_a_line_with_the_token_broken_over_lines_is_withheld(line_break: str) -> None:
    for at in range(1, len(GOOD)):
        broken = f"{GOOD[:at]}{line_break}{GOOD[at:]}"
        message = linked(f"{token_tag(GOOD)} headers: {broken}").message
        assert message == WITHHELD or not any(
            GOOD[-44:][start : start + 22] in message for start in range(23)
        )


@pytest.mark.parametrize("piece", ["%2E", "%2E-", "a%2E", "%2525", "\\u002e", "\\", "e", "x.%2D"])
def test_a_megabyte_of_any_notation_takes_little_time(piece: str) -> None:
    started = time.process_time()
    linked(f"{token_tag(GOOD)} {piece * (1_000_000 // len(piece))} {GOOD}")
    assert time.process_time() - started < 5


contexts = st.sampled_from(
    [
        "{}",
        "[openReplaySessionToken={}]",
        "openReplaySessionToken: {}",
        "X-OpenReplay-SessionToken: {}\r\n",
        "'HTTP_X_OPENREPLAY_SESSIONTOKEN': '{}',",
        "GET /pay?x=1&openReplaySessionToken={}&y=2 HTTP/1.1",
        "https://shop.example/{}/pay",
        '{{"headers": {{"x-openreplay-sessiontoken": "{}"}}}}',
        '\\"token\\":\\"{}\\"',
        "Bearer {}",
        "{}.",
        "-{}-",
        "<{}>",
        "\x1b[31m{}\x1b[0m",
        "&quot;{}&quot;",
        "%22{}%22",
    ]
)


@given(
    st.lists(st.tuples(st.text(max_size=15), contexts, minted_tokens), min_size=1, max_size=6),
    st.booleans(),
)
def test_no_token_is_left_in_a_linked_line(
    pieces: list[tuple[str, str, str]], as_json: bool
) -> None:
    message = token_tag(GOOD) + "".join(
        f"{text} {context.format(token)} {quote(token)}" for text, context, token in pieces
    )
    line = linked(
        json.dumps({"message": message}) if as_json else message,
        stream="".join(token for _, _, token in pieces),
    )
    everything = json.dumps(vars(line))
    for token in [GOOD, *(token for _, _, token in pieces)]:
        assert token not in everything
        assert token.rsplit(".", 1)[1] not in everything


@given(any_text, any_text, st.sampled_from(["[{}]", "{}", " {} ", '"{}"', "\n[{}] "]), tokens)
def test_the_decisive_token_is_never_left(
    before: str, after: str, context: str, token: str
) -> None:
    message = f"{before}{context.format(f'openReplaySessionToken={token}')}{after}"
    line = judged(message * 2, UNCHECKED).linked
    if line is not None:
        assert token not in line.message
        assert line.message == WITHHELD or not has_session_token(line.message)


@given(any_text, st.booleans())
def test_the_verdict_is_the_one_of_judge(message: str, tagged: bool) -> None:
    if tagged:
        message = f"{message}\n{token_tag(GOOD)}"
    line = judged(message)
    expected = judge(message, token_secret=TOKEN_SECRET, now_ms=NOW_MS)
    assert line.verdict is expected.verdict
    assert (line.linked is not None) == (expected.verdict is Verdict.LINKABLE)
    if line.linked is not None:
        assert line.linked.session == expected.session_id


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("boom", Verdict.UNTAGGED),
        ("openReplaySessionToken=", Verdict.EMPTY_TOKEN),
        ("openReplaySessionToken=****", Verdict.MASKED_TOKEN),
        ("openReplaySessionToken=abc", Verdict.MALFORMED_TOKEN),
        (f"openReplaySessionToken: {GOOD}", Verdict.MISSPELLED_TAG),
        (f"{{{FIELD},{FIELD.replace(GOOD, a_token(session_id=9))}}}", Verdict.CONFLICTING_TAGS),
        (token_tag(a_token(token_secret=b"other")), Verdict.BAD_SIGNATURE),
    ],
)
def test_what_is_not_linkable_is_not_linked(message: str, verdict: Verdict) -> None:
    assert judged(message) == JudgedLine(verdict)


def test_an_expired_token_is_linkable_and_flagged() -> None:
    line = judged(token_tag(a_token(expires_ms=NOW_MS)))
    assert (line.verdict, line.expired) == (Verdict.LINKABLE, True)
    assert line.linked is not None
    assert not judged(token_tag(a_token(expires_ms=NOW_MS + 1))).expired


class TestUnsignedIds:
    LINE = f"{id_tag(12)} error"

    def test_with_a_policy_that_accepts_them(self) -> None:
        assert linked(self.LINE, UNCHECKED).session == 12

    @pytest.mark.parametrize("token_secret", [TOKEN_SECRET, None])
    def test_without_even_while_the_secret_is_unreadable(self, token_secret: bytes | None) -> None:
        line = judged(self.LINE, Policy(partial(judge_token, token_secret=token_secret), False))
        assert line == JudgedLine(Verdict.UNSIGNED)


@pytest.mark.parametrize(
    "note",
    [
        'my openReplaySessionToken": "abc" b',
        '"openReplaySessionToken\\": \\"abc\\" b',
        '\\"openReplaySessionToken": "abc" b',
    ],
)
def test_what_looks_like_a_field_in_a_string_stays(note: str) -> None:
    kept = {"note": note, "more": 1}
    message = json.dumps({**kept, "openReplaySessionToken": GOOD})
    assert linked(message).message == json.dumps(kept)


@pytest.mark.parametrize("escape", ["%{:02X}", "%25{:02x}", "%2525{:02x}", "\\u00{:02x}"])
def test_a_signature_whose_letters_are_encoded_is_withheld(escape: str) -> None:
    encoded = "".join(escape.format(ord(letter)) for letter in GOOD)
    assert linked(f"{token_tag(GOOD)} GET /?a={encoded}").message == WITHHELD


def test_a_token_beside_an_id_tag_is_removed() -> None:
    message = linked(f"{id_tag(SESSION_ID)} ERROR {GOOD}", UNCHECKED).message
    assert message == f"ERROR {REMOVED}"
