"""Runs the demo: deploys the stack, writes lines, and shows the results."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import elasticsearch8
import elasticsearch9

from demo import recording
from demo.lines import LOG_GROUPS, TOKEN_SECRET, DemoLine, demo_lines
from demo.terminal import coloured, heading, say, step, table
from emulator import Emulator
from emulator.cdk_cli import CdkCli, CdkFailed
from emulator.metric_sums import metric_sum
from emulator.openreplay import OpenReplay, check_hits
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, read_item
from openreplay_cw_stack.tagging import Judgement, Verdict, judge, remove_session_tokens
from openreplay_cw_stack.tagging.advice import ADVICE
from openreplay_cw_stack.tagging.redaction import REMOVED

STACK = "OpenReplayCloudWatch"
PATIENCE_SECONDS = 60.0
_LEVELS = {"error": "red", "warning": "yellow"}


class DemoFailed(Exception):
    """The deployment does not work as expected. The message gives the reason."""


@dataclass(frozen=True)
class Deployment:
    """The deployed stack: its outputs and the service account's key."""

    aws: Emulator
    outputs: dict[str, str]

    def reader(self) -> tuple[Any, dict[str, str]]:
        """Return a Logs client with the service account's key, and the value of the secret."""
        secrets = self.aws.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=self.outputs["SecretArn"])["SecretString"]
        key = json.loads(value)
        return self.client("logs", key), key

    def bridge_key(self) -> tuple[str, str]:
        """Return the API key id and the API key of the bridge."""
        secrets = self.aws.client("secretsmanager")
        (arn,) = [
            one["ARN"] for one in secrets.list_secrets()["SecretList"] if "Bridge" in one["Name"]
        ]
        key = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        return key["api_key_id"], key["api_key"]

    def client(self, service: str, key: dict[str, str]) -> Any:
        """Return a client that signs with the service account's key."""
        return self.aws.client(
            service,
            access_key_id=key["access_key_id"],
            secret_access_key=key["secret_access_key"],
        )


def main() -> int:
    """Run the demo and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say(coloured("openreplay-cw-stack: a real deployment to an embedded AWS", "bold"))
    say("Nothing leaves this machine and no AWS account is used. It takes about a minute.\n")
    try:
        with Emulator() as aws, tempfile.TemporaryDirectory() as folder:
            context, session = _run(aws, Path(folder))
            if os.environ.get("KEEP"):
                _keep(aws, context, session)
            else:
                _show_next_steps()
    except KeyboardInterrupt:
        say("\nStopped; nothing is left running.")
        return 130
    except (CdkFailed, DemoFailed) as failure:
        say(f"\n{coloured('The demo failed.', 'red')} {failure}")
        return 1
    return 0


def _run(aws: Emulator, folder: Path) -> tuple[dict[str, str], int]:
    """Deploy and show everything. Return the deployment's options and a session with lines."""
    started = time.monotonic()
    say(f"  {coloured('✓', 'green')} embedded AWS at {aws.endpoint_url}")
    context = _context(aws)
    deployment = _deploy(aws, folder, context)
    now_ms = int(time.time() * 1000)
    lines = demo_lines(now_ms)
    judgements = [judge(one.message, token_secret=TOKEN_SECRET.encode()) for one in lines]
    with step("IAM evaluation enabled: AWS now checks every call against the policies"):
        aws.evaluate_iam(True)
    with step(f"{len(lines)} lines written to {len(LOG_GROUPS)} tracked log groups"):
        _write(aws, lines, now_ms)
    expected = Counter(one.verdict for one in judgements)
    with step("the validator judged them and stored the linkable ones"):
        linked = _await_linked(deployment, expected[Verdict.LINKABLE])
        counted = _await_counts(aws, expected)
    _show_verdicts(lines, judgements, counted)
    _show_linked(linked)
    _show_reach(deployment)
    _show_replay(deployment, linked)
    if folder_of_recording := os.environ.get("RECORD"):
        recording.write(Path(folder_of_recording), aws, deployment.outputs, now_ms)
    seconds = time.monotonic() - started
    say(f"\n{coloured('Everything works as expected', 'green')}, in {seconds:.0f} seconds.")
    return context, linked[-1].session


def _context(aws: Emulator) -> dict[str, str]:
    """Return the options of the deployment. The token secret is created first, as in practice."""
    secret = aws.client("secretsmanager").create_secret(
        Name="openreplay/token-secret", SecretString=TOKEN_SECRET
    )
    return {
        "new_log_groups": ",".join(LOG_GROUPS),
        "token_secret": secret["ARN"],
        "removal_policy": "destroy",
        # Otherwise the bridge holds back lines of the last three minutes.
        "settle": "0",
    }


def _deploy(aws: Emulator, folder: Path, context: dict[str, str]) -> Deployment:
    cdk = CdkCli(aws.child_environment(), folder / "cdk.out")
    with step("cdk bootstrap"):
        cdk.bootstrap()
    with step(f"cdk deploy {STACK}"):
        cdk.deploy(context, folder / "outputs.json")
    return Deployment(aws, json.loads((folder / "outputs.json").read_text())[STACK])


def _write(aws: Emulator, lines: list[DemoLine], now_ms: int) -> None:
    logs = aws.client("logs")
    for log_group in LOG_GROUPS:
        logs.create_log_stream(logGroupName=log_group, logStreamName="demo")
        events = [
            {"timestamp": now_ms + number, "message": line.message}
            for number, line in enumerate(lines)
            if line.log_group == log_group
        ]
        logs.put_log_events(logGroupName=log_group, logStreamName="demo", logEvents=events)


def _await_linked(deployment: Deployment, expected: int) -> list[LinkedLine]:
    scan = deployment.aws.client("dynamodb").get_paginator("scan")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        pages = scan.paginate(TableName=deployment.outputs["SessionTableName"])
        found = [
            line
            for page in pages
            for item in page["Items"]
            for line in read_item(int(item[PARTITION_KEY]["S"]), item).lines
        ]
        if len(found) >= expected:
            return sorted(found, key=lambda line: (line.session, line.time))
        if time.monotonic() > deadline:
            raise DemoFailed(f"{len(found)} of {expected} lines arrived in the session table")
        time.sleep(0.3)


def _await_counts(aws: Emulator, expected: Counter[Verdict]) -> Counter[Verdict]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        counted = Counter({verdict: _lines_with(aws, verdict) for verdict in Verdict})
        # Of the untagged lines, the subscription filter delivers those that name the tag.
        if all(counted[one] == expected[one] for one in Verdict if one is not Verdict.UNTAGGED):
            return counted
        if time.monotonic() > deadline:
            raise DemoFailed(f"the metrics count {dict(counted)} lines, not {dict(expected)}")
        time.sleep(0.3)


def _lines_with(aws: Emulator, verdict: Verdict) -> int:
    dimensions = {names.DEPLOYMENT: None, names.VERDICT: str(verdict)}
    return metric_sum(aws.client("cloudwatch"), names.NAMESPACE, names.LINES, dimensions)


def _show_verdicts(
    lines: list[DemoLine], judgements: list[Judgement], counted: Counter[Verdict]
) -> None:
    heading("What OpenReplay will do with these lines, counted by the validator's metrics")
    say()
    rows = []
    for verdict in reversed(Verdict):
        example = next(
            _example(line)
            for line, judgement in zip(lines, judgements, strict=True)
            if judgement.verdict is verdict
        )
        rows.append((str(verdict), str(counted[verdict]), example, ADVICE[verdict]))
    colours = {str(one): "green" if one is Verdict.LINKABLE else "yellow" for one in Verdict}
    table(("verdict", "lines", "for example", "what to do"), rows, (16, 5, 0, 0), colours)
    silent = len(lines) - sum(counted.values())
    say(
        f"\n  {silent} more lines have no tag: the subscription filter does not deliver them, so "
        "they add no cost."
    )


def _example(line: DemoLine) -> str:
    text = remove_session_tokens(line.message).replace(REMOVED, "<token>")
    text = re.sub(r"\*{9,}", "********", text).splitlines()[0]
    text = re.sub(r"\d{19}", "<id>", text)
    return text if len(text) <= 90 else text[:87] + "..."


def _show_linked(linked: list[LinkedLine]) -> None:
    heading(f"What OpenReplay can show: {len(linked)} lines in the session table")
    say()
    rows = [
        (str(line.session), line.level, line.group, line.message.splitlines()[0]) for line in linked
    ]
    table(("session", "level", "tracked log group", "message"), rows, (19, 7, 17, 0), _LEVELS)
    for line in linked:
        if remove_session_tokens(line.message) != line.message:
            raise DemoFailed("a session token is in a linked line")
    say("\n  None of them contains a session token, neither in the tag nor in printed headers.")


def _show_reach(deployment: Deployment) -> None:
    logs, key = deployment.reader()
    tracked = key["log_group_name"]
    own_secret = deployment.outputs["SecretArn"]
    heading("Permissions of the service account's key (OpenReplay v1.20 and earlier)")
    say()
    found = logs.filter_log_events(logGroupName=tracked)["events"]
    say(f"  {coloured('allowed', 'green')}  logs:FilterLogEvents on {tracked}: {len(found)} lines")
    user, session_table = deployment.outputs["UserName"], deployment.outputs["SessionTableName"]
    forbidden = {
        "logs:FilterLogEvents on another log group": lambda: logs.filter_log_events(
            logGroupName="/shop/payroll"
        ),
        "logs:DescribeLogGroups": logs.describe_log_groups,
        f"logs:PutLogEvents on {tracked}": lambda: logs.put_log_events(
            logGroupName=tracked,
            logStreamName="demo",
            logEvents=[{"timestamp": int(time.time() * 1000), "message": "forged"}],
        ),
        f"logs:DeleteLogGroup on {tracked}": lambda: logs.delete_log_group(logGroupName=tracked),
        "dynamodb:Scan on the session table": lambda: deployment.client("dynamodb", key).scan(
            TableName=session_table
        ),
        "secretsmanager:GetSecretValue on its own secret": lambda: deployment.client(
            "secretsmanager", key
        ).get_secret_value(SecretId=own_secret),
        "iam:CreateAccessKey for itself": lambda: deployment.client("iam", key).create_access_key(
            UserName=user
        ),
        "lambda:ListFunctions": lambda: deployment.client("lambda", key).list_functions(),
        "s3:ListAllMyBuckets": lambda: deployment.client("s3", key).list_buckets(),
    }
    for name, call in forbidden.items():
        _expect_denial(name, call)


def _expect_denial(name: str, call: Any) -> None:
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not code.startswith("AccessDenied"):
            raise DemoFailed(f"{name} failed with {code} instead of a missing permission") from None
        say(f"  {coloured('denied', 'yellow')}   {name}")
    else:
        raise DemoFailed(f"{name} was allowed")


def _show_replay(deployment: Deployment, linked: list[LinkedLine]) -> None:
    """Show the lines of one session, as OpenReplay and both official clients receive them."""
    url = deployment.outputs["BridgeUrl"]
    session = linked[-1].session
    key = deployment.bridge_key()
    openreplay = OpenReplay(url, *key, deployment.aws.endpoint_url)
    heading(f"What OpenReplay lists beside the replay of session {session}")
    say(f"\n  sent to {url}\n  with OpenReplay's own request (v1.21 to v1.27)")
    hits = openreplay.ask(session).hits()
    check_hits(hits)
    for generation, module in (("8", elasticsearch8), ("9", elasticsearch9)):
        client = module.Elasticsearch(
            deployment.aws.endpoint_url, api_key=key, headers={"host": urlsplit(url).netloc}
        )
        phrase = {"message": f"openReplaySession.id={session}"}
        answer = client.search(index="logs", query={"match_phrase": phrase}, size=1000)
        if [one["_id"] for one in answer["hits"]["hits"]][:-1] != [one["_id"] for one in hits][:-1]:
            raise DemoFailed(f"Elasticsearch client {generation} received another response")
        say(f"  the Elasticsearch client for Python, version {generation}, gets the same response")
    say()
    rows = [
        (
            one["_source"]["@timestamp"][11:23],
            one["_source"]["level"],
            one["_source"]["message"].splitlines()[0],
        )
        for one in hits
    ]
    table(("time", "level", "message"), rows, (12, 7, 0), _LEVELS)
    wrong = OpenReplay(url, key[0], "a wrong key", deployment.aws.endpoint_url).ask(session)
    if wrong.status != 401:
        raise DemoFailed(f"a wrong key was answered with {wrong.status}")
    say(f"\n  {coloured('denied', 'yellow')}   the same request with a wrong key")


def _show_next_steps() -> None:
    heading("Next")
    say("\n  1. judge your own lines      .venv/bin/openreplay-cw judge < your.log")
    say("  2. keep the demo running     make demo KEEP=1")
    say("  3. show them in OpenReplay   docs/getting-started.md, from step 1 on\n")


def _keep(aws: Emulator, context: dict[str, str], session: int) -> None:
    heading("The embedded AWS runs until you press Ctrl-C. In another terminal, in this folder:")
    say("\n  . .venv/bin/activate")
    # With these variables, Python resolves the bridge's host name and trusts its certificate.
    host = aws.host_environment()
    found = {name: host[name] for name in ("SSL_CERT_FILE", "PYTHONPATH")}
    for name, value in {**aws.environment(), **found}.items():
        say(f"  export {name}={value}")
    settings = " ".join(f"-c {key}={value}" for key, value in context.items())
    say(f"\n  openreplay-cw check --stack {STACK}")
    say(f"  openreplay-cw session --stack {STACK} {session}")
    say(f"  aws logs describe-log-groups\n  npx cdk diff {settings}")
    say("\ncheck reports problems here: the demo writes bad lines to every log group on purpose.\n")
    signal.pause()


if __name__ == "__main__":
    raise SystemExit(main())
