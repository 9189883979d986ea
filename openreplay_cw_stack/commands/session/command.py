"""The command: reads a session, and prints it."""

from __future__ import annotations

import argparse
import sys
import time

from openreplay_cw_stack.commands.arguments import add_deployment_arguments, session_id
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import find_deployment
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.replay_links import template_for
from openreplay_cw_stack.commands.session.report import print_session
from openreplay_cw_stack.commands.session.view import view_session
from openreplay_cw_stack.commands.terminal import Output, say
from openreplay_cw_stack.tagging.replay_url import replay_url

HELP = "print the lines that the bridge returns for a session"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployment_arguments(parser)
    parser.add_argument("session", type=session_id, metavar="ID", help="the session's decimal id")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.epilog = (
        "The id is in the address of the replay and in the output of `judge`; a session token is "
        "not accepted. Exit status: 0 if the bridge returns lines, 1 if it returns none, 2 if the "
        "command could not run. Permissions: cloudformation:DescribeStacks and "
        "ListStackResources on the stack, lambda:GetFunctionConfiguration on its functions, "
        "dynamodb:Query on the session table (and kms:Decrypt if it has a customer managed key), "
        "sqs:GetQueueAttributes on the retry queue. The link to the replay comes from the option "
        "replay_url, or from `register`, with secretsmanager:DescribeSecret on the bridge's secret."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the session and return the exit status.

    Raises:
        CommandFailed: the stack, the deployment or its bridge does not exist, or AWS refuses a
            call.
    """
    output = None if arguments.json else Output(sys.stdout)
    account = Account(now=time.time())
    stack = read_stack(account, arguments.stack)
    deployment = find_deployment(account, stack, arguments.deployment)
    template = template_for(account, deployment)
    link = replay_url(template, arguments.session) if template else None
    view = view_session(account, deployment, arguments.session)
    if output is None:
        say(view.as_json(link))
    else:
        if link is not None:
            output.line(link)
            output.line()
        print_session(output, view)
    return 0 if view.state == "answered" else 1
