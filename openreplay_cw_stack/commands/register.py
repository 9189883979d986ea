"""``register``: registers the bridge of a deployment with OpenReplay projects."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from openreplay_cw_stack.commands.arguments import add_deployment_arguments
from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.bridge_url import bridge_url
from openreplay_cw_stack.commands.deployed.deployment import Deployment, find_deployment, variable
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.openreplay_login import (
    JWT_VARIABLE,
    add_projects_argument,
    logged_in,
)
from openreplay_cw_stack.commands.replay_links import remember_project
from openreplay_cw_stack.commands.terminal import clean, say
from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.bridge_probe import AddressRefused, BridgeForm, probe_bridge
from openreplay_cw_stack.openreplay.http_calls import RateLimited, RegistrationFailed
from openreplay_cw_stack.openreplay.integrations import Change, Integrations, NotOurs
from openreplay_cw_stack.openreplay.login import LoginRefused
from openreplay_cw_stack.tagging.replay_url import replay_url_of_project

HELP = "register the bridge of a deployment with OpenReplay projects"

_IN_WORDS = {
    Change.REGISTERED: "now uses the bridge; open a replay and press Traces",
    Change.UNCHANGED: "already uses the bridge, with its current key",
    Change.REMOVED: "no longer uses the bridge",
    Change.ABSENT: "has no Elasticsearch integration",
}
_FAILED = "failed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployment_arguments(parser)
    add_projects_argument(parser)
    parser.add_argument("--remove", action="store_true", help="remove the bridge from the projects")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace or remove an Elasticsearch integration that belongs to another program",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.epilog = (
        f"The command asks for email and password, or uses the environment variable "
        f"{JWT_VARIABLE}; it stores neither. A login ends the member's other sessions: use a "
        "separate member. OpenReplay limits the rate of a member's requests, so many projects take "
        "a while. Exit status: 0 if all projects succeed, 1 if one fails, 2 if the command could "
        "not run. Permissions: cloudformation:DescribeStacks, "
        "ListStackResources and GetTemplate on the stack, and ListExports; "
        "lambda:GetFunctionConfiguration on its functions; secretsmanager:GetSecretValue on the "
        "bridge's secret (and kms:Decrypt if it has a customer managed key), and optionally "
        "TagResource on it, to store the project for links to replays."
    )


def run(arguments: argparse.Namespace) -> int:
    """Register the bridge, or remove it, print the outcomes and return the exit status.

    Raises:
        CommandFailed: no project could be changed; the message gives the reason.
    """
    # Each project once, in the given order.
    projects = list(dict.fromkeys(arguments.project))
    try:
        server = checked_url(arguments.openreplay, insecure=arguments.insecure)
        account = Account(now=time.time())
        stack = read_stack(account, arguments.stack)
        deployment = find_deployment(account, stack, arguments.deployment)
        form = _form(account, deployment)
        head = {"stack": stack.name, "deployment": deployment.name, "bridge": form.url}
        if not arguments.remove:
            head["probe"] = _probe(form, insecure=arguments.insecure)
            if not arguments.json:
                say(head["probe"])
        integrations = Integrations(logged_in(server, arguments.email))
    except (RegistrationFailed, ValueError) as error:
        raise CommandFailed(str(error)) from None
    host = str(server.hostname)
    outcomes = []
    for outcome in _changes(integrations, projects, form, arguments):
        outcomes.append(outcome)
        if not arguments.json:
            say(clean(f"Project {outcome.project} of {host} {outcome.detail}"))
    if arguments.json:
        say(_as_json({**head, "openreplay": host}, outcomes))
    failed = any(outcome.status == _FAILED for outcome in outcomes)
    if len(projects) == 1 and not failed and not arguments.remove and server.scheme == "https":
        # From now on, the other commands show links to its replays.
        template = replay_url_of_project(server.geturl(), projects[0])
        remember_project(account, deployment, template)
    return 1 if failed else 0


@dataclass(frozen=True)
class _Outcome:
    """The outcome of one project.

    Attributes:
        project: the project's number.
        status: the value of a :class:`Change`, or ``failed``.
        detail: the outcome in words.
    """

    project: int
    status: str
    detail: str


def _changes(
    integrations: Integrations,
    projects: Sequence[int],
    form: BridgeForm,
    arguments: argparse.Namespace,
) -> Iterator[_Outcome]:
    """Register or remove the bridge, project by project."""
    change = integrations.remove if arguments.remove else integrations.register
    failed = "is not removed" if arguments.remove else "is not registered"
    forced = "removes" if arguments.remove else "replaces"
    ended = ""
    for project in projects:
        try:
            if ended:
                raise RegistrationFailed(ended)
            changed = change(project, form, force=arguments.force)
        except NotOurs as error:
            detail = f"{failed}: {error}; --force {forced} it"
        except RegistrationFailed as error:
            detail = f"{failed}: {error}"
            if isinstance(error, (LoginRefused, RateLimited)):
                # The same is true for the other projects.
                ended = str(error)
        else:
            yield _Outcome(project, changed.value, _IN_WORDS[changed])
            continue
        yield _Outcome(project, _FAILED, detail)


def _form(account: Account, deployment: Deployment) -> BridgeForm:
    """Return the values for the form; empty if unavailable, which is enough for a removal."""
    bridge = deployment.bridge
    if bridge is None:
        raise CommandFailed(
            f"{deployment.name} was deployed without a bridge, so there is nothing to register"
        )
    with aws_must("find the bridge's address"):
        url = bridge_url(account, deployment, bridge)
    with aws_must("read the bridge's secret"):
        key = read_secret(account, variable(bridge, "API_KEY_SECRET_ARN")).texts
    return BridgeForm(url or "", key.get("api_key_id", ""), key.get("api_key", ""))


def _probe(form: BridgeForm, *, insecure: bool) -> str:
    """Test the bridge, because OpenReplay does not, and return the result in words."""
    if not form.url:
        raise CommandFailed(
            "the bridge's HTTP API is not in the stack: it was deleted by hand; delete the stack "
            "and deploy it again"
        )
    if not form.api_key_id or not form.api_key:
        raise CommandFailed(
            "the bridge's secret lacks api_key_id or api_key: write both into it, as one JSON "
            "object"
        )
    try:
        probe_bridge(checked_url(form.url, insecure=insecure), form)
    except AddressRefused:
        return "The bridge refuses this address; allowed_source_ranges must include OpenReplay's"
    return f"The bridge answers, and accepts its key: {form.url}"


def _as_json(head: Mapping[str, str], outcomes: list[_Outcome]) -> str:
    document = {
        **{name: clean(value) for name, value in head.items()},
        "projects": [
            {"project": one.project, "status": one.status, "detail": clean(one.detail)}
            for one in outcomes
        ],
    }
    return json.dumps(document, indent=2)
