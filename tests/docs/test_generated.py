"""What the manual lists is what the code has; ``UPDATE_SNAPSHOTS=1`` writes it."""

from __future__ import annotations

import argparse
import ast
import html
import inspect
import json
import math
import re
from typing import Any

import pytest

from benchmarks import cost_model
from demo.lines import TOKEN_SECRET, demo_lines
from openreplay_cw_stack import commands
from openreplay_cw_stack.infra.context import CONTEXT_OPTIONS
from openreplay_cw_stack.infra.internal.subscription_limits import RESOURCES_ALLOWED
from openreplay_cw_stack.infra.observability.alarms import (
    ALARMS_PAGE,
    BAD_TAGS_AT_LEAST,
    WATCHED_LOG_GROUPS,
)
from openreplay_cw_stack.tagging import Verdict, judge, remove_session_tokens, verdict
from openreplay_cw_stack.tagging.advice import ADVICE
from openreplay_cw_stack.tagging.redaction import REMOVED
from tests.docs.pages import DOCS, MANUAL, README, ROOT, hold, section
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    PROJECT,
    TOKEN_SECRET_ARN,
    a_stack,
    template_of,
)
from tests.infra.observability.test_alarms import alarms_of, every_alarm, metrics_of
from tests.tagging.tokens import NOW_MS


def cell(text: str) -> str:
    """The text as it can stand in a cell of a table."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("*", "\\*")


def test_options() -> None:
    rows = ["| Option | Default | What it is |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {cell(one.default_text)} | {cell(one.meaning)} |"
        for name, one in CONTEXT_OPTIONS.items()
    ]
    hold(DOCS / "options.md", "options", "\n".join(rows))


def test_every_option_that_a_command_names_exists() -> None:
    given = {name for page in MANUAL for name in re.findall(r"-c ([a-z_]+)=", page.read_text())}
    assert {"log_groups", "track_account"} <= given
    assert given <= set(CONTEXT_OPTIONS)


def meanings() -> dict[str, str]:
    """What the source says below each verdict."""
    body = ast.parse(inspect.getsource(verdict.Verdict)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(one, ast.Assign) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            name = ast.literal_eval(one.value)
            found[name] = " ".join(str(after.value.value).replace("``", "`").split())
    return found


def test_verdicts() -> None:
    examples: dict[Verdict, str] = {}
    for line in demo_lines(NOW_MS):
        judged = judge(line.message, token_secret=TOKEN_SECRET.encode(), now_ms=NOW_MS)
        text = remove_session_tokens(line.message).replace(REMOVED, "<token>").splitlines()[0]
        examples.setdefault(judged.verdict, text)
    # A line that names the tag and has none; most lines without a tag do not even do that.
    examples[Verdict.UNTAGGED] = "ERROR openReplaySessionToken missing from the request"
    parts = []
    for one in Verdict:
        parts.append(
            f"## {one}\n\n**When:** {html.escape(meanings()[one], quote=False)}\n\n"
            f"**What to do:** {html.escape(ADVICE[one], quote=False)}\n\n"
            f"```text\n{examples[one]}\n```"
        )
    hold(DOCS / "verdicts.md", "verdicts", "\n\n".join(parts))


MORE_ON_ALARMS = {
    "RejectedTags": "[misspelled_tag](verdicts.md#misspelled_tag), "
    "[malformed_token](verdicts.md#malformed_token)",
    "LinkedLinesStopped": "[Verdicts](verdicts.md)",
    "UncheckedSignatures": "[A new TOKEN_SECRET](rotation.md#a-new-token_secret), "
    "[Your KMS key](construct.md#your-kms-key)",
    "DeadLetters": "[Put dead letters back](delivery.md#put-dead-letters-back)",
    "ValidatorThrottles": "[Lines](scaling.md#lines)",
    "DroppedPayloads": "[Put dead letters back](delivery.md#put-dead-letters-back)",
    "RetryQueue": "[Delivery](delivery.md#what-happens-to-a-line-that-cannot-be-stored)",
    "ThrottledWrites": "[What AWS allows](scaling.md#what-aws-allows)",
    "FailedErrorEvents": "[Events for errors](replay-links.md#events-for-errors)",
    "StreamAge": "[Kinesis](scaling.md#beyond-lambdas-concurrency-kinesis)",
    "BridgeRefusedSearches": "[Register the bridge](openreplay.md#register-the-bridge)",
    "NewKeyUnused": "[Rotate on a schedule](rotation.md#rotate-on-a-schedule)",
    "RefusedRotations": "[Rotate on a schedule](rotation.md#rotate-on-a-schedule)",
    "FailedRotations": "[Rotate on a schedule](rotation.md#rotate-on-a-schedule)",
    "FailedRegistrations": "[Registration on every deployment]"
    "(openreplay.md#on-every-deployment-without-a-person)",
    "UndeliveredLines": "[Check a deployment](operations.md#check-a-deployment)",
}
"""What an operator may want to read after the description."""


COUNTED = {
    "LinkedLinesStopped": "rejected lines and no linkable line",
    "DroppedLines": "log event that could not be read",
    "UncheckedSignatures": "line whose signature could not be checked",
    "DeadLetters": "message in the dead-letter queue",
    "ValidatorErrors": "failed invocation",
    "ValidatorThrottles": "throttled invocation",
    "DroppedPayloads": "payload that Lambda gave up on",
    "FailedDestinationDeliveries": "payload that did not reach the dead-letter queue",
    "RetryQueue": "message in the retry queue",
    "ThrottledWrites": "throttled write",
    "UnusablePayloads": "unusable payload",
    "FailedErrorEvents": "error event that could not be published",
    "BridgeFailures": "failed request",
    "BridgeTimedOutSearches": "search without a result",
    "BridgeRefusedSearches": "refused requests",
    "NewKeyUnused": "key that OpenReplay does not use",
    "RefusedRotations": "refused rotation",
    "FailedRotations": "failed rotation",
    "FailedRegistrations": "failed registration",
    "FunctionErrors": "failed invocation",
    "UndeliveredLines": "undelivered or throttled log event",
}
"""What the metric of an alarm counts; in the plural where one is not enough."""


WAITING = {
    "PayloadAge": "a payload that waits for the validator",
    "StreamAge": "a line that waits in the stream",
}


def threshold_of(name: str, alarm: dict[str, Any]) -> str:
    stats = metrics_of(alarm).values() if "Metrics" in alarm else [alarm]
    (minutes,) = {one["Period"] // 60 for one in stats}
    threshold = int(alarm["Threshold"])
    period = "an hour" if minutes == 60 else f"{minutes} minutes"
    if name == "RejectedTags":
        bad = f"at least {BAD_TAGS_AT_LEAST} misspelled or malformed session tags"
        return f"{bad}, and more than {threshold} % of all, in {period}"
    if name in WAITING:
        return f"{WAITING[name]} for more than {threshold // 60_000} minutes"
    least = "one" if threshold == 0 else threshold + 1
    in_a_row = {1: "", 3: ", three times in a row"}[alarm["EvaluationPeriods"]]
    return f"at least {least} {COUNTED[name]}, in {period}{in_a_row}"


def dollars(alarms: dict[str, dict[str, Any]]) -> float:
    """A month: CloudWatch's price list has 0.10 for each metric of an alarm."""
    return round(sum(max(1, len(one.get("Metrics", [0])) - 1) for one in alarms.values()) / 10, 2)


def test_alarms() -> None:
    parts = []
    for name, alarm in every_alarm().items():
        over = "Sends" if "OKActions" in alarm else "Sends no"
        # A description ends with the address of its section on this page.
        text, _, _ = alarm["AlarmDescription"].rpartition(f" See {ALARMS_PAGE}#")
        more = MORE_ON_ALARMS.get(name)
        parts.append(
            f"### {name}\n\n**Threshold:** {threshold_of(name, alarm)}. "
            f"{over}{' an' if over == 'Sends' else ''} OK message afterwards.\n\n"
            f"{html.escape(text, quote=False)}" + (f"\n\nMore: {more}." if more else "")
        )
    assert MORE_ON_ALARMS.keys() <= every_alarm().keys()
    hold(DOCS / "alarms.md", "alarms", "\n\n".join(parts))


def test_every_alarm_has_a_row_in_the_triage() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(#(\w+)\) \| (.+?) \| (.+?) \| (.+?) \|$",
        section(DOCS / "alarms.md", "Triage"),
        re.MULTILINE,
    )
    assert sorted(name for name, *_ in rows) == sorted(every_alarm())
    assert all(anchor == name.lower() for name, anchor, *_ in rows)
    urgencies = {urgency for _, _, _, urgency, _ in rows}
    assert urgencies == {"now", "today", "this week"}
    # An alarm on a loss is about data at risk.
    losses = {name for name, alarm in every_alarm().items() if "OKActions" not in alarm}
    assert losses <= {name for name, _, risk, *_ in rows if risk.startswith("**yes**")}


def test_commands() -> None:
    parts = []
    (subparsers,) = [
        one for one in commands._parser()._actions if isinstance(one, argparse._SubParsersAction)
    ]
    helps = {one.dest: str(one.help) for one in subparsers._choices_actions}
    for name, parser in subparsers.choices.items():
        epilog, _, permissions = str(parser.epilog).partition("Permissions: ")
        lines = [f"## {name}", "", f"{helps[name][0].upper()}{helps[name][1:]}.", ""]
        lines += ["| Argument | What it does |", "|---|---|"]
        lines += [
            f"| `{spelled(one)}` | {cell(expanded(parser, one))} |"
            for one in parser._actions
            if not isinstance(one, argparse._HelpAction)
        ]
        lines += ["", cell(epilog.strip())]
        if permissions:
            lines += ["", f"**Permissions:** {cell(permissions)}"]
        parts.append("\n".join(lines))
    assert list(subparsers.choices) == list(commands.COMMANDS)
    hold(DOCS / "commands.md", "commands", "\n\n".join(parts))


def spelled(action: argparse.Action) -> str:
    """An argument as it is written on a command line."""
    value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
    parts = [", ".join(one for one in action.option_strings if one.startswith("--"))]
    parts += [str(value).replace("|", "\\|")] if action.nargs != 0 else []
    parts += ["…"] if action.nargs == "+" else []
    return " ".join(parts).strip()


def expanded(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action)


def test_outputs() -> None:
    table = section(DOCS / "construct.md", "Outputs").split("With `source_accounts`")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    snapshot = json.loads((ROOT / "tests/infra/snapshots/default.json").read_text())
    assert named == set(snapshot["Outputs"])


@pytest.mark.slow
def test_how_many_log_groups_a_stack_tracks() -> None:
    """Alarms on delivery follow the first log groups; from there on each one counts alike."""
    more = {**EVERY_FUNCTION, "encryption_key": ENCRYPTION_KEY_ARN}
    stacks: dict[str, dict[str, Any]] = {
        "with the defaults": {},
        "with rotation, one registered project and a key of yours": more,
    }
    rows = ["| Stack | Existing log groups | New log groups |", "|---|---:|---:|"]
    for name, options in stacks.items():
        existing, new = (
            most_log_groups(kind, options) for kind in ("log_groups", "new_log_groups")
        )
        rows.append(f"| {name} | {existing} | {new} |")
    hold(DOCS / "scaling.md", "log groups in a stack", "\n".join(rows))


def most_log_groups(kind: str, options: dict[str, Any]) -> int:
    """As many as CloudFormation's resources are enough for."""
    few, one_more = (
        resource_count({"new_log_groups": [], **options, kind: [f"/{one}" for one in range(count)]})
        for count in (WATCHED_LOG_GROUPS, WATCHED_LOG_GROUPS + 1)
    )
    return WATCHED_LOG_GROUPS + (RESOURCES_ALLOWED - few) // (one_more - few)


def resource_count(options: dict[str, Any]) -> int:
    return len(template_of(a_stack(**options)).to_json()["Resources"])


def test_a_million_lines_cost_what_the_table_says() -> None:
    """Within two cents: the validator's time is measured."""
    shown = re.findall(
        r"^\| (\d+) \(\w+\) \| (\d) \|.* \*\*([0-9.]+)\*\* \|$",
        section(DOCS / "cost.md", "A million tagged lines"),
        re.MULTILINE,
    )
    assert len(shown) == len(cost_model.ROWS)
    for row, (lines, of_a_session, in_all) in zip(cost_model.ROWS, shown, strict=True):
        assert (row.lines_per_payload, row.lines_of_a_session) == (int(lines), int(of_a_session))
        modelled = sum(cost_model.dollars(cost_model.measured(row, rounds=3)).values())
        assert modelled == pytest.approx(float(in_all), abs=0.02)
    every = sorted(in_all for _, _, in_all in shown)
    for page in (README, DOCS / "cost.md", DOCS / "questions.md"):
        assert f"{every[0]} to {every[-1]}" in page.read_text()


def test_a_month() -> None:
    rows = ["| what | how many | dollars |", "|---|---:|---:|"]
    bill = cost_model.monthly_dollars()
    rows += [f"| {name} | {number:,.0f} | {price:.2f} |" for name, (number, price) in bill.items()]
    total = sum(price for _, price in bill.values())
    rows.append(f"| **in all** | | **{total:.2f}** |")
    hold(DOCS / "cost.md", "cost of a month", "\n".join(rows))
    assert round(total) == 10, "README.md, docs/cost.md and docs/questions.md say ten"


PEAK = 5
"""Assumption: the lines of a peak second, as a multiple of the average."""
PAYLOAD_SECONDS = 0.05
"""Assumption of docs/scaling.md: the time for a payload."""
DEFAULT_CONCURRENCY = 10


def test_sizing() -> None:
    """From the prices of docs/cost.md, which another test compares with the model."""
    prices = {
        (int(lines), int(of_a_session)): float(price)
        for lines, of_a_session, price in re.findall(
            r"^\| (\d+) \(\w+\) \| (\d) \|.* \*\*([0-9.]+)\*\* \|$",
            section(DOCS / "cost.md", "A million tagged lines"),
            re.MULTILINE,
        )
    }
    fixed = sum(price for _, price in cost_model.monthly_dollars().values())
    days = cost_model.HOURS / 24
    rows = [
        "| Tagged lines a day | Dollars a month: usual | sparse "
        "| `reserved_concurrency`: usual | sparse | `ingest` |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    for millions in (0.1, 1, 10, 100):
        cells = [f"{millions * 1e6:,.0f}"]
        for pattern in ((20, 5), (1, 1)):
            cells.append(f"{fixed + millions * days * prices[pattern]:,.0f}")
        needed = [
            math.ceil(millions * 1e6 / 86_400 * PEAK / lines * PAYLOAD_SECONDS) for lines in (20, 1)
        ]
        cells += [
            f"{DEFAULT_CONCURRENCY} (default)" if one <= DEFAULT_CONCURRENCY else str(one)
            for one in needed
        ]
        cells.append("`direct`" if max(needed) < 100 else "`direct` if usual, `kinesis` if sparse")
        rows.append(f"| {' | '.join(cells)} |")
    assert str(DEFAULT_CONCURRENCY) == CONTEXT_OPTIONS["reserved_concurrency"].default_text
    hold(DOCS / "scaling.md", "sizing", "\n".join(rows))


def test_alarms_of_a_month() -> None:
    one = dollars(alarms_of())
    more: dict[str, dict[str, Any]] = {
        "one more tracked log group": {"new_log_groups": ["/a", "/b"]},
        "`token_secret`": {"token_secret": TOKEN_SECRET_ARN},
        "`rotation`": {"rotation": EVERY_FUNCTION["rotation"]},
        "a project in `openreplay_projects`": {"openreplay_projects": [PROJECT]},
    }
    rows = ["| with | dollars |", "|---|---:|", f"| one tracked log group | {one:.2f} |"]
    rows += [
        f"| {name} | + {dollars(alarms_of(**options)) - one:.2f} |"
        for name, options in more.items()
    ]
    hold(DOCS / "cost.md", "cost of alarms", "\n".join(rows))
