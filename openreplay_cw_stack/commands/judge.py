"""``judge``: prints the verdict of each log line, from standard input or from a log group.

The output contains no session token.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from openreplay_cw_stack.commands.arguments import whole_minutes
from openreplay_cw_stack.commands.aws import aws_client, must_read_log_group
from openreplay_cw_stack.commands.log_events import tagged_events
from openreplay_cw_stack.commands.replay_links import template_from_environment
from openreplay_cw_stack.commands.terminal import clean, count, say
from openreplay_cw_stack.tagging import Judgement, Verdict, judge, remove_session_tokens
from openreplay_cw_stack.tagging.advice import ADVICE
from openreplay_cw_stack.tagging.replay_url import EXAMPLE, REPLAY_URL_VARIABLE, replay_url

HELP = "print the verdict of each log line of standard input, or of a log group"
TOKEN_SECRET_VARIABLE = "OPENREPLAY_TOKEN_SECRET"
"""Environment variable: OpenReplay's TOKEN_SECRET, to check signatures."""

_MAX_TEXT = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--log-group", help="read this log group instead (requires boto3)")
    parser.add_argument(
        "--minutes",
        type=whole_minutes(),
        default=60,
        help="how far back to read the log group (default: 60)",
    )
    parser.add_argument(
        "--accept-unsigned-ids",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="accept session ids, which have no signature (default: if signatures are not checked)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.epilog = (
        f"If the environment variable {TOKEN_SECRET_VARIABLE} has OpenReplay's TOKEN_SECRET, the "
        "command checks signatures. Exit status: 0 if there are linkable lines and every tagged "
        "line is linkable, otherwise 1. Standard input needs no access to AWS; --log-group needs "
        f"logs:FilterLogEvents on the log group. If {REPLAY_URL_VARIABLE} is set, such as "
        f"{EXAMPLE}, linkable lines have a link to their replay."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the verdicts and return the exit status.

    Raises:
        CommandFailed: the log group cannot be read.
    """
    if arguments.log_group:
        lines: Iterable[str] = read_messages(arguments.log_group, arguments.minutes)
    else:
        if sys.stdin.isatty():
            say("Enter log lines; end with Ctrl-D:", sys.stderr)
        lines = _standard_input()
    secret = os.environ.get(TOKEN_SECRET_VARIABLE)
    template = template_from_environment(os.environ)
    counts: Counter[Verdict] = Counter()
    for line in lines:
        judgement = judge(
            line,
            token_secret=secret.encode().rstrip(b"\r\n") if secret else None,
            accept_unsigned_ids=arguments.accept_unsigned_ids,
        )
        link = None
        if template is not None and judgement.session_id is not None:
            link = replay_url(template, judgement.session_id)
        if arguments.json:
            _show_json(line, judgement, link)
        else:
            _show(line, judgement, link, first=judgement.verdict not in counts)
        counts[judgement.verdict] += 1
    say(_summary(counts, checked=bool(secret)), sys.stderr if arguments.json else sys.stdout)
    rejected = set(counts) - {Verdict.LINKABLE, Verdict.UNTAGGED}
    return 0 if counts[Verdict.LINKABLE] and not rejected else 1


def read_messages(log_group: str, minutes: int) -> Iterator[str]:
    """Read the lines of a log group that mention a session tag.

    Raises:
        CommandFailed: boto3 is not installed, the log group does not exist, or AWS refuses a call.
    """
    client = aws_client("logs")
    start_ms = int((time.time() - 60 * minutes) * 1000)
    with must_read_log_group(client, log_group):
        for event in tagged_events(client, log_group, start_ms):
            yield event["message"]


def _standard_input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode(errors="replace").rstrip("\r\n")


def _show(line: str, judgement: Judgement, link: str | None, *, first: bool) -> None:
    """Print a verdict, and the advice for it if it is the first of its kind."""
    session = str(judgement.session_id) if judgement.session_id is not None else ""
    first_line = remove_session_tokens(line).splitlines()[:1] or [""]
    text = clean(first_line[0])
    short = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    say(f"{judgement.verdict!s:<16} {session:<20} {short}".rstrip())
    if link is not None:
        say(f"{'':<16} {link}")
    if first and judgement.verdict is not Verdict.LINKABLE:
        say(f"{'':<16} {ADVICE[judgement.verdict]}")


def _show_json(line: str, judgement: Judgement, link: str | None) -> None:
    document: dict[str, Any] = {
        "verdict": judgement.verdict,
        # As text: many JSON parsers lack 64-bit integers.
        "session": str(judgement.session_id) if judgement.session_id is not None else None,
        "replay_url": link,
        "readers": sorted(judgement.readers),
        "poll_skip": judgement.poll_skip,
        "expired": judgement.expired,
        "signature_checked": judgement.signature_checked,
        "advice": ADVICE[judgement.verdict],
        "line": remove_session_tokens(line),
    }
    say(json.dumps(document))


def _summary(counts: Counter[Verdict], *, checked: bool) -> str:
    total = sum(counts.values())
    if not total:
        return "no lines"
    parts = ", ".join(f"{counts[one]} {one}" for one in reversed(Verdict) if counts[one])
    signatures = "signatures checked" if checked else "signatures not checked"
    return f"{count(total, 'line')}: {parts} ({signatures})"
