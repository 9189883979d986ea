"""The command: reads the cloud assembly, runs every step, and prints the report."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from openreplay_cw_stack.commands.aws import aws_client, aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.preflight.account_policies import check_account_policies
from openreplay_cw_stack.commands.preflight.assembly import read_plans
from openreplay_cw_stack.commands.preflight.concurrency import check_concurrency
from openreplay_cw_stack.commands.preflight.encryption_keys import check_encryption_keys
from openreplay_cw_stack.commands.preflight.environment import (
    check_bootstrap,
    check_environment,
    check_stack,
)
from openreplay_cw_stack.commands.preflight.filter_pattern import check_filter_pattern
from openreplay_cw_stack.commands.preflight.log_groups import check_log_groups
from openreplay_cw_stack.commands.preflight.plan import Context, Plan
from openreplay_cw_stack.commands.preflight.quotas import check_iam_quotas, check_resource_policies
from openreplay_cw_stack.commands.preflight.users import check_users
from openreplay_cw_stack.commands.report.findings import Status, Step, guarded, skip
from openreplay_cw_stack.commands.report.printing import (
    Section,
    as_json,
    exit_status,
    print_report,
)
from openreplay_cw_stack.commands.terminal import Output, say

HELP = "check before a deployment that the AWS account allows it"

_STEPS = (
    ("bootstrap", check_bootstrap),
    ("concurrency", check_concurrency),
    ("IAM user", check_users),
    ("log group", check_log_groups),
    ("account policy", check_account_policies),
    ("encryption key", check_encryption_keys),
    ("IAM quotas", check_iam_quotas),
    ("resource policies", check_resource_policies),
    ("filter pattern", check_filter_pattern),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--assembly",
        type=Path,
        default=Path("cdk.out"),
        metavar="FOLDER",
        help="the output folder of `cdk synth` (default: cdk.out)",
    )
    parser.add_argument("--stack", help="only this stack, if the app has several")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.epilog = (
        "Run `cdk synth` first: the command compares its output with the account and region of the "
        "credentials. It changes nothing. Exit status: 0 if nothing fails, 1 if something would "
        "stop the deployment, 2 if the command could not run. A step that lacks a permission is "
        "skipped and names it. Permissions: sts:GetCallerIdentity; "
        "ssm:GetParameter on /cdk-bootstrap/*; cloudformation:DescribeStacks and "
        "ListStackResources; lambda:GetAccountSettings and GetFunctionConcurrency; iam:GetUser and "
        "GetAccountSummary; logs:DescribeLogGroups, DescribeSubscriptionFilters, "
        "DescribeAccountPolicies, DescribeResourcePolicies and TestMetricFilter; "
        "kms:DescribeKey and GetKeyPolicy."
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the account, print the findings and return the exit status.

    Raises:
        CommandFailed: there is no cloud assembly, it has no such stack, or AWS refuses the
            credentials.
    """
    output = None if arguments.json else Output(sys.stdout)
    plans = read_plans(arguments.assembly, arguments.stack)
    identity = _identity()
    sections = [Section(plan.name, list(_findings(identity, plan))) for plan in plans]
    if output is None:
        say(as_json({"account": identity["Account"]}, "stack", sections))
    else:
        title = f"account {identity['Account']}, as {identity['Arn'].rpartition(':')[2]}"
        print_report(output, title, sections, works="can be deployed")
    return exit_status(sections)


def _identity() -> dict[str, Any]:
    """Return the identity of the credentials."""
    with aws_must("get the identity of the credentials from AWS"):
        identity: dict[str, Any] = _client("sts").get_caller_identity()
    return identity


def _client(service: str, **settings: Any) -> Any:
    """Create a client that gives up within seconds; by default boto3 takes minutes."""
    from botocore.config import Config

    quick = Config(
        connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3}
    )
    return aws_client(service, config=quick, **settings)


def _findings(identity: dict[str, Any], plan: Plan) -> Step[None]:
    """Run every step, in the order in which CloudFormation would meet the problems."""
    with aws_must("find the region"):
        region = plan.region or str(_client("sts").meta.region_name)
    make_client = partial(_client, region_name=region)
    account = Account(now=time.time(), make_client=make_client)
    context = Context(account, identity["Account"], region, plan)
    environment = list(check_environment(context))
    yield from environment
    if any(finding.status is Status.FAIL for finding in environment):
        return
    stack = yield from guarded("stack", check_stack(context), None, denied=skip)
    context = replace(context, stack=stack)
    for name, step in _STEPS:
        yield from guarded(name, step(context), denied=skip)
