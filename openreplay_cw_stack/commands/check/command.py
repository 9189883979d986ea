"""The command: reads the stack, runs every step, and prints the report."""

from __future__ import annotations

import argparse
import sys
import time
from urllib.parse import SplitResult

from openreplay_cw_stack.commands.arguments import add_deployments_arguments, whole_minutes
from openreplay_cw_stack.commands.check.bridge import MANY_REFUSALS, NEW_KEY_SECONDS, check_bridge
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.deployment import check_deployment
from openreplay_cw_stack.commands.check.lines import (
    MAX_LINES,
    ON_THEIR_WAY_SECONDS,
    Sample,
    check_lines,
)
from openreplay_cw_stack.commands.check.linked_lines import check_linked_lines
from openreplay_cw_stack.commands.check.metric_lines import check_metric_lines
from openreplay_cw_stack.commands.check.registration import check_registration
from openreplay_cw_stack.commands.check.rotation import check_rotation
from openreplay_cw_stack.commands.check.service_account import (
    OLD_KEY_DAYS,
    UNUSED_DAYS,
    check_service_account,
)
from openreplay_cw_stack.commands.check.session_table import check_session_table
from openreplay_cw_stack.commands.check.tracked_log_groups import (
    check_tracked_log_groups,
    check_what_is_tracked,
)
from openreplay_cw_stack.commands.check.validator import Health, check_validator
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, find_deployments
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.openreplay_login import (
    JWT_VARIABLE,
    add_project_argument,
    logged_in,
)
from openreplay_cw_stack.commands.replay_links import template_for
from openreplay_cw_stack.commands.report.findings import Finding, Step, guarded
from openreplay_cw_stack.commands.report.printing import (
    Section,
    as_json,
    exit_status,
    print_report,
)
from openreplay_cw_stack.commands.terminal import Output, say
from openreplay_cw_stack.contract.limits import FILTERS_ALLOWED
from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.openreplay.login import OpenReplayClient
from openreplay_cw_stack.tagging.replay_url import replay_url

HELP = "check a deployed stack, and print each problem with its fix"

_MAX_MINUTES = 1440
_THRESHOLDS = (
    f"at most {MAX_LINES} lines of a log group are judged, and a log group fails if at least as "
    f"many lines are rejected as linkable; lines of the last {ON_THEIR_WAY_SECONDS // 60} minutes "
    f"may not be stored yet; a log group with {FILTERS_ALLOWED} subscription filters, more than "
    f"{MANY_REFUSALS} refused requests, an access key that is {OLD_KEY_DAYS} days old or unused "
    f"for {UNUSED_DAYS} days, and any throttling cause a warning; a failed invocation, a lost "
    "payload and a dead letter cause a failure; the bridge has "
    f"{NEW_KEY_SECONDS // 60} minutes to accept a new key"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployments_arguments(parser)
    parser.add_argument(
        "--minutes",
        type=whole_minutes(_MAX_MINUTES),
        default=60,
        help="how far back to look (default: 60)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_project_argument(parser)
    parser.epilog = (
        "With --openreplay and --project the command also checks the integration that OpenReplay "
        "has stored; it logs in with email and password, or the environment variable "
        f"{JWT_VARIABLE}. It changes nothing, sends the bridge one request with a wrong key, and "
        "uses the service account's key. Exit status: 0 if nothing fails, 1 if a step fails, 2 if "
        "the command could not run. A step that lacks a permission fails and names it; the others "
        "continue. Permissions: "
        "cloudformation:DescribeStacks, ListStackResources, GetTemplate and ListExports; "
        "lambda:GetFunctionConfiguration; logs:DescribeLogGroups, DescribeSubscriptionFilters, "
        "DescribeAccountPolicies and FilterLogEvents; cloudwatch:GetMetricData and ListMetrics; "
        "dynamodb:DescribeTable and DescribeTimeToLive; sqs:GetQueueAttributes; "
        "secretsmanager:GetSecretValue and DescribeSecret; iam:ListAttachedRolePolicies, "
        "ListAccessKeys, GetAccessKeyLastUsed, ListGroupsForUser, ListAttachedGroupPolicies, "
        "GetPolicy and GetPolicyVersion. No item of the session table is read. Thresholds: "
        f"{_THRESHOLDS}."
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the stack, print the findings and return the exit status.

    Raises:
        CommandFailed: the stack or the deployment does not exist, or OpenReplay refuses the login.
    """
    server = _server(arguments)
    output = None if arguments.json else Output(sys.stdout)
    account = Account(now=time.time(), minutes=arguments.minutes)
    stack = read_stack(account, arguments.stack)
    deployments = find_deployments(account, stack, arguments.deployment)
    # A login ends the member's other sessions, so everything else is checked first.
    openreplay = _log_in(server, arguments.email) if server is not None else None
    checked = [_section(account, one, arguments, openreplay) for one in deployments]
    if output is None:
        say(as_json({"stack": stack.name}, "deployment", checked))
    else:
        print_report(output, f"{stack.name}: {stack.region}, {account.span}", checked)
    return exit_status(checked)


def _server(arguments: argparse.Namespace) -> SplitResult | None:
    """Return the address of OpenReplay, if the arguments name one."""
    if (arguments.openreplay is None) != (arguments.project is None):
        raise CommandFailed("give both --openreplay and --project, or neither")
    if arguments.openreplay is None:
        return None
    try:
        return checked_url(arguments.openreplay, insecure=arguments.insecure)
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def _log_in(server: SplitResult, email: str | None) -> OpenReplayClient:
    try:
        return logged_in(server, email)
    except RegistrationFailed as error:
        raise CommandFailed(str(error)) from None


def _section(
    account: Account,
    deployment: Deployment,
    arguments: argparse.Namespace,
    openreplay: OpenReplayClient | None,
) -> Section:
    """Check a deployment."""
    findings: list[Finding] = []
    samples: list[Sample] = []
    findings.extend(_findings(account, deployment, arguments, openreplay, samples))
    template = template_for(account, deployment)
    newest = max((one.newest for one in samples if one.newest is not None), default=None)
    link = replay_url(template, newest[1]) if template and newest else None
    return Section(deployment.name, findings, link)


def _findings(
    account: Account,
    deployment: Deployment,
    arguments: argparse.Namespace,
    openreplay: OpenReplayClient | None,
    seen: list[Sample],
) -> Step[None]:
    """Run every step, in the order in which a line passes them; add the samples to ``seen``."""
    yield from guarded("deployment", check_deployment(account, deployment))
    tracked = yield from guarded(
        "tracked log group", check_what_is_tracked(account, deployment), ()
    )
    context = Context(account, deployment, tracked, insecure=arguments.insecure)
    # First: if metrics are missing, every count of the steps below is too low.
    yield from guarded("metrics", check_metric_lines(context))
    subscribed_ms = yield from guarded("tracked log group", check_tracked_log_groups(context), {})
    samples = yield from guarded("lines", check_lines(context, subscribed_ms), ())
    seen += samples
    health = yield from guarded("validator", check_validator(context), Health())
    yield from guarded("session table", check_session_table(context))
    yield from guarded("linked lines", check_linked_lines(context, samples, health))
    endpoint = yield from guarded("bridge", check_bridge(context), None)
    if openreplay is not None:
        check = check_registration(context, endpoint, openreplay, arguments.project)
        yield from guarded("registration", check)
    yield from guarded("service account", check_service_account(context))
    yield from guarded("rotation", check_rotation(context))
