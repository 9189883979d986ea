"""``register``: writes the bridge of a deployment into OpenReplay's integration form."""

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

HELP = "write the bridge of a deployment into OpenReplay's integration form"

_IN_WORDS = {
    Change.REGISTERED: "asks the bridge from now on; open a replay and press Traces",
    Change.UNCHANGED: "asks the bridge already, with its present key",
    Change.REMOVED: "no longer asks the bridge",
    Change.ABSENT: "has no Elasticsearch integration",
}
_FAILED = "failed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_deployment_arguments(parser)
    add_projects_argument(parser)
    parser.add_argument(
        "--remove", action="store_true", help="stop the projects from asking the bridge"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace or remove an Elasticsearch integration that is not this bridge's",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.epilog = (
        f"Asks for email and password, or takes the environment variable {JWT_VARIABLE}; stores "
        "neither. A login ends that member's other ones: use a member of its own. Projects are "
        "registered one after the other; OpenReplay limits how often a member may ask, so many of "
        "them take a while. Ends with 0 where each is as wanted, with 1 where one is not, with 2 "
        "where the command could not run. Permissions: cloudformation:DescribeStacks, "
        "ListStackResources and GetTemplate on the stack, and ListExports; "
        "lambda:GetFunctionConfiguration on its functions; secretsmanager:GetSecretValue on the "
        "bridge's secret (and kms:Decrypt where it has a key of its own), and TagResource on it, "
        "which notes the project for links of replays and may be missing."
    )


def run(arguments: argparse.Namespace) -> int:
    """Register the bridge, or remove it, print the outcomes and return the exit status.

    Raises:
        CommandFailed: it did not work for any project; the message says why.
    """
    # Each once, in the order in which they were named.
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
        # The other commands show links of its replays from now on.
        template = replay_url_of_project(server.geturl(), projects[0])
        remember_project(account, deployment, template)
    return 1 if failed else 0


@dataclass(frozen=True)
class _Outcome:
    """The outcome of one project.

    Attributes:
        project: its number.
        status: the value of a :class:`Change`, or ``failed``.
        detail: in words.
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
    """Register or remove project by project."""
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
                # It is so for the others as well.
                ended = str(error)
        else:
            yield _Outcome(project, changed.value, _IN_WORDS[changed])
            continue
        yield _Outcome(project, _FAILED, detail)


def _form(account: Account, deployment: Deployment) -> BridgeForm:
    """What the form is to have; empty where it is not there, which a removal does not need."""
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
    """Ask the bridge, since OpenReplay never says whether it can; return the result in words."""
    if not form.url:
        raise CommandFailed(
            "the bridge's HTTP API is not in the stack: it was removed by hand; delete the stack "
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
        return (
            "The bridge does not answer this address: OpenReplay's must be in allowed_source_ranges"
        )
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
