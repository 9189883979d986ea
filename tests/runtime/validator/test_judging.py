"""What is read and judged the short way is what the long way says, for every document.

Of documents that CloudWatch Logs does not write, what has no tag may be counted otherwise.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine, is_linked_line
from openreplay_cw_stack.runtime.validator.judging import JudgedLines, judge_lines
from openreplay_cw_stack.runtime.validator.known_tags import MAX_TAGS, KnownTags
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.skimming import skim_payload
from openreplay_cw_stack.runtime.validator.subscription import InvalidPayload, parse_payload
from openreplay_cw_stack.tagging import Reader, Verdict, id_tag, token_tag
from tests.runtime.payloads import NOW_MS, a_document, decode, encode
from tests.tagging.test_conformance import LINES
from tests.tagging.tokens import TOKEN_SECRET, a_token

GOOD = a_token()
OTHER = a_token(session_id=77, delay_ms=-5)
EXPIRED = a_token(expires_ms=1)
FORGED = a_token(token_secret=b"forged")
LINKED = LinkedLine(
    7, NOW_MS, "1", "123456789012", "/app", "web", "info", f"{id_tag(7)} no stock"
).encode()
POLICIES = [
    Policy(),
    Policy(accept_unsigned_ids=True),
    Policy(readers=frozenset({Reader.POLL})),
    Policy(readers=frozenset(Reader)),
]


class Outcome(NamedTuple):
    verdicts: Counter[Verdict]
    expired: int
    refused: int
    lines: list[LinkedLine]
    unreadable: int


def the_long_way(text: bytes, policy: Policy, secret: bytes | None) -> Outcome | str | None:
    try:
        payload = decode({"awslogs": {"data": encode(text)}})
    except InvalidPayload as invalid:
        return str(invalid)
    if payload is None:
        return None
    events = [event for event in payload.log_events if not is_linked_line(event.message)]
    judged = [
        judge_line(event, payload.subscription, policy, token_secret=secret, now_ms=NOW_MS)
        for event in events
    ]
    return Outcome(
        Counter(line.verdict for line in judged),
        sum(line.expired for line in judged),
        len(payload.log_events) - len(events),
        [LinkedLine.decode(line.linked.encode()) for line in judged if line.linked],
        payload.unreadable,
    )


def the_short_way(
    text: bytes, policy: Policy, secret: bytes | None, known_tags: KnownTags | None = None
) -> Outcome | str | None:
    try:
        payload = skim_payload(text) or parse_payload(text)
    except InvalidPayload as invalid:
        return str(invalid)
    if payload is None:
        return None
    judged = judge_lines(
        payload, policy, known_tags or KnownTags(), token_secret=secret, now_ms=NOW_MS
    )
    lines = [line.encode() if isinstance(line, LinkedLine) else line for line in judged.linked]
    return Outcome(
        +judged.verdicts,
        judged.expired,
        judged.refused,
        list(map(LinkedLine.decode, lines)),
        judged.unreadable,
    )


def check(text: bytes, policy: Policy | None = None, secret: bytes | None = TOKEN_SECRET) -> None:
    policy = policy or Policy()
    assert the_short_way(text, policy, secret) == the_long_way(text, policy, secret)


def check_what_has_a_tag(text: bytes) -> None:
    short, long = (way(text, Policy(), TOKEN_SECRET) for way in (the_short_way, the_long_way))
    if isinstance(short, Outcome) and isinstance(long, Outcome):
        for outcome in (short, long):
            del outcome.verdicts[Verdict.UNTAGGED]
        assert short[:-1] == long[:-1]
    else:
        assert short == long


def compact(document: object, *, ascii_only: bool = False) -> bytes:
    text = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def as_cloudwatch_writes(*messages: str, **changes: Any) -> bytes:
    return compact(a_document(*messages, **changes))


def with_numbers(text: bytes) -> bytes:
    """The same with every escape as its character's number, as some writers of JSON have them."""

    def numbered(escape: re.Match[bytes]) -> bytes:
        return b"\\u%04x" % ord(json.loads(b'"%b"' % escape[0]))

    return re.sub(rb"\\[^u]", numbered, text)


pieces = st.sampled_from(
    [
        token_tag(GOOD),
        token_tag(OTHER),
        token_tag(EXPIRED),
        token_tag(FORGED),
        token_tag(GOOD) + " ",
        f"\n{token_tag(GOOD)} ",
        f"\\n{token_tag(GOOD)} ",
        f"openReplaySessionToken={GOOD}",
        f"[openReplaySessionToken={GOOD}",
        f'{{"openReplaySessionToken": "{GOOD}"}}',
        f"open_replay-Session Token: {GOOD}",
        "OPENREPLAYSESSIONTOKEN=",
        "[openReplaySessionToken=]",
        "[openReplaySessionToken=***]",
        id_tag(12),
        "openReplaySession.id=",
        GOOD,
        f".{GOOD}",
        LINKED,
        "replay",
        "ERROR",
        " level=warn ",
        '{"level":"info","message":"',
        '"}',
        '"},{"id":"',
        f'"}},{{"id":"{1:056}","timestamp":{NOW_MS},"message":"',
        '","message":"',
        "\\",
        "\\u005b",
        "\n",
        "\t",
        "\b",
        "\x00",
        "\x7f",
        " ",
        "/",
        "é",
        "😀",
        "\u2028",
        "ſ",
        "]",
        "[",
    ]
)
messages = st.lists(pieces | st.text(max_size=6), max_size=7).map("".join)
any_messages = messages | st.text(st.characters(exclude_categories=()), max_size=20)
# Few tags among many lines, so that only the tagged ones are read.
sparse = st.lists(messages, max_size=3).flatmap(
    lambda some: st.permutations([*some, *[f"line {n} without" for n in range(40)]])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_messages, max_size=6) | sparse, st.sampled_from(POLICIES), st.booleans())
def test_documents_of_cloudwatch(lines: list[str], policy: Policy, signed: bool) -> None:
    document = a_document(*lines)
    for ascii_only in (False, True):
        text = compact(document, ascii_only=ascii_only)
        for written in (text, with_numbers(text), text.replace(b"/", b"\\/")):
            check(written, policy, TOKEN_SECRET if signed else None)


@pytest.mark.parametrize(
    "message",
    [
        f"a\n{token_tag(GOOD)} b",
        f"{token_tag(GOOD)} a\n{token_tag(GOOD)} b",
        f"a\ud83d{token_tag(GOOD)}\ude00 b",
    ],
)
def test_escapes_by_number_beside_a_tag(message: str) -> None:
    check(with_numbers(compact(a_document(message), ascii_only=True)))


values = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | messages
entries = st.one_of(
    values,
    st.dictionaries(st.sampled_from(["id", "timestamp", "message", "x"]), values),
    st.builds(
        lambda number, message: {"id": f"{number:056}", "timestamp": NOW_MS, "message": message},
        st.integers(0, 99),
        values,
    ),
    st.builds(
        lambda message, key, value: {"id": "1", "timestamp": 5, "message": message, key: value},
        messages,
        st.sampled_from(["extra", "logEvents"]),
        st.lists(st.fixed_dictionaries({"id": st.just("a"), "message": messages})),
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(entries, max_size=4),
    st.permutations(list(a_document())),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]),
    st.integers(0, 30),
)
def test_documents_of_any_shape(
    listed: list[Any], order: list[str], separators: tuple[str, str], padding: int
) -> None:
    document = a_document(*["nothing to see"] * padding)
    document["logEvents"] += listed
    shuffled = {name: document[name] for name in order}
    for text in (compact(shuffled), json.dumps(shuffled, separators=separators).encode()):
        check_what_has_a_tag(text)


def event_text(body: str, number: int = 1) -> str:
    return f'{{"id":"{number:056}","timestamp":{NOW_MS},{body}}}'


PADDING = [event_text('"message":"nothing"', number) for number in range(40)]


@pytest.mark.parametrize(
    "event",
    [
        event_text(f'"message":"a","message":"{token_tag(GOOD)} b"'),
        event_text(f'"message":"{token_tag(GOOD)} a","message":"b"'),
        event_text(f'"message":"{token_tag(GOOD)} a","message":5'),
        event_text(f'"message":"{token_tag(GOOD)} a","id":"other"'),
        event_text(f'"message":"{token_tag(GOOD)} a","timestamp":7'),
        event_text(f'"message":"{token_tag(GOOD)} a","x":[{{"a":"b"}},{{"id":"c"}}]'),
        event_text(f'"message":"\\u005b{token_tag(GOOD)[1:]} a"'),
        event_text(f'"message":"{token_tag(GOOD)[:-1]}\\u005d a"'),
        event_text(f'"message":"\\/{token_tag(GOOD)} \\u00e9 \\/ \\ud83d\\ude00 \\ud800"'),
        event_text(f'"message": "{token_tag(GOOD)} a"'),
        event_text(f'"message":"{token_tag(GOOD)} \\\\n{token_tag(GOOD)} a"'),
        "null",
        '{"id":"1"}',
    ],
)
@pytest.mark.parametrize("padding", [0, 40])
def test_documents_that_no_writer_makes(event: str, padding: int) -> None:
    head = as_cloudwatch_writes().decode().removesuffix("]}")
    for listed in ([event, *PADDING[:padding]], [*PADDING[:padding], event]):
        text = f"{head}{','.join(listed)}]}}"
        check_what_has_a_tag(text.encode())
        check_what_has_a_tag(text.replace('"owner"', '"logEvents":[],"owner"').encode())
        check_what_has_a_tag(text.encode("utf-16"))
        check_what_has_a_tag(text.encode("utf-8-sig"))
        check_what_has_a_tag(text.encode() + b"\xff")
        check_what_has_a_tag(text.encode().replace(b" a", b" \xed\xa0\x80 a"))
        check_what_has_a_tag(text.encode()[:-1])
        check_what_has_a_tag(text.removesuffix("}").encode() + b',"logEvents":[]}')


def test_messages_to_the_letter_of_the_conformance_set() -> None:
    for first in range(0, len(LINES), 50):
        lines = LINES[first : first + 50]
        for secret in {line["secret"] for line in lines}:
            text = as_cloudwatch_writes(*[line["message"] for line in lines])
            check(text, secret=secret.encode())
    few = [line["message"] for line in LINES[::20]] + ["nothing"] * 400
    check(as_cloudwatch_writes(*few))


@pytest.mark.parametrize("name", ["\ud800", 'a"b', "é\n", "/app/checkout", "g" * 600])
def test_any_source(name: str) -> None:
    for changes in ({"logGroup": name}, {"logStream": name}, {"owner": name}):
        text = json.dumps(a_document(f"{token_tag(GOOD)} a", **changes)).encode()
        check(text)


@pytest.mark.parametrize("identifier", ["", '"', "\ud800", "\x7f", "é", "5" * 260_000])
def test_any_id(identifier: str) -> None:
    document = a_document(f"{token_tag(GOOD)} a")
    document["logEvents"][0]["id"] = identifier
    check(json.dumps(document).encode())


def in_short(text: bytes) -> JudgedLines:
    payload = skim_payload(text)
    assert payload is not None
    return judge_lines(payload, Policy(), KnownTags(), token_secret=TOKEN_SECRET, now_ms=NOW_MS)


@pytest.mark.parametrize(
    "message",
    [
        f'{token_tag(GOOD)} ERROR "no stock"\n\tleft',
        f"2026-11-24 03:11:49.123 ERROR 1 --- [main] c.a.Tax : {token_tag(GOOD)} no rate",
        f'{{"level":"ERROR","message":"{token_tag(GOOD)} «no stock»"}}',
        f"{token_tag(GOOD)} a\n{token_tag(GOOD)} b",
    ],
)
def test_usual_lines_take_the_short_way(message: str) -> None:
    assert [type(line) for line in in_short(as_cloudwatch_writes(message)).linked] == [str]


def a_linked_line(*, stream: str = "s", message: str = f"{id_tag(12)} no stock") -> str:
    source = ("1", "123456789012", "/app/checkout")
    return LinkedLine(12, NOW_MS, *source, stream, "info", message).encode()


@pytest.mark.parametrize(
    "line",
    [
        a_linked_line(stream=token_tag(GOOD)),
        a_linked_line(message=f"{id_tag(12)} {token_tag(GOOD)}").replace("[open", "[\\u006fpen", 1),
    ],
)
def test_a_linked_line_is_refused_wherever_its_tags_stand(line: str) -> None:
    text = as_cloudwatch_writes(line)
    for judged in (in_short(text), in_short(with_numbers(text))):
        assert (judged.refused, judged.linked) == (1, [])


def test_known_tags_are_those_of_the_secret_and_not_too_many() -> None:
    text = as_cloudwatch_writes(f"{token_tag(GOOD)} a")
    known_tags = KnownTags()
    for secret in (TOKEN_SECRET, b"another", TOKEN_SECRET, None):
        expected = the_long_way(text, Policy(), secret)
        assert the_short_way(text, Policy(), secret, known_tags) == expected
    for number in range(MAX_TAGS + 10):
        known_tags.add(f"[{number}]")
    assert len(known_tags.judged_with(None)) <= MAX_TAGS


def test_a_line_that_outgrows_an_event_is_left_to_be_cut() -> None:
    for filler in ("é" * 300_000, "\0" * 60_000):
        text = as_cloudwatch_writes(f"{token_tag(GOOD)} {filler}")
        assert isinstance(in_short(text).linked[0], LinkedLine)
