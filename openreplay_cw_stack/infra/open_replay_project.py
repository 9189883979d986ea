"""An OpenReplay project that each deployment registers the bridge with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager

from openreplay_cw_stack.contract.openreplay_project import checked_url, project_name
from openreplay_cw_stack.tagging.replay_url import replay_url_of_project

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2


@dataclass(frozen=True, kw_only=True)
class OpenReplayProject:
    """A project of OpenReplay v1.21 or later, and a login that can change its integrations.

    A deployment registers the bridge with the project, updates the registration with every new key,
    and removes it when the project leaves the stack. A registration that fails is retried every
    hour and sets off an alarm; it never stops a deployment. It does not replace or remove an
    integration of another program.

    Attributes:
        url: OpenReplay's address, such as ``https://openreplay.example``.
        project_id: the project's number, as in the browser's address bar.
        login_secret: a secret with a JSON object with the ``email`` and ``password`` of a member
            that only this deployment uses: each login ends the member's other sessions. The
            projects of one OpenReplay instance can share the secret. A login fails with a captcha,
            as on OpenReplay's own service, and with single sign-on: use the register command
            instead.
        vpc: a VPC from which OpenReplay can be reached; default: the Internet. Its private subnets
            need access to Secrets Manager through a NAT gateway or an endpoint.
        insecure: allow ``http://`` in ``url``, which exposes login and key to the network.
        replace_integration: replace an existing Elasticsearch integration of the project even if
            it is not from this deployment. OpenReplay keeps only one, so the existing one is lost.
    """

    url: str
    project_id: int
    login_secret: secretsmanager.ISecret
    vpc: ec2.IVpc | None = None
    insecure: bool = False
    replace_integration: bool = False

    @property
    def name(self) -> str:
        """The host and the project's number, as in metrics, logs and tags."""
        return project_name(self.url, self.project_id)

    @property
    def host(self) -> str:
        """The host in the name, which identifies the OpenReplay instance."""
        return self.name.rpartition("/")[0]

    def check(self) -> None:
        """Reject a project that can never be registered.

        Raises:
            ValueError: the address cannot be used, or the number is below 1.
        """
        if cdk.Token.is_unresolved(self.url):
            raise ValueError("the url of an OpenReplayProject must be known during synthesis")
        checked_url(self.url, insecure=self.insecure)
        if self.project_id < 1:
            raise ValueError(f"project_id must be 1 or more, not {self.project_id}")


def default_replay_url(projects: Sequence[OpenReplayProject]) -> str | None:
    """Return the template of replay links if there is exactly one project and it uses https."""
    if len(projects) != 1 or not projects[0].url.startswith("https://"):
        return None
    return replay_url_of_project(projects[0].url, projects[0].project_id)


def projects_by_openreplay(
    projects: Sequence[OpenReplayProject],
) -> dict[str, list[OpenReplayProject]]:
    """Return the projects of each OpenReplay instance, by its host.

    Raises:
        ValueError: the projects of one OpenReplay instance differ in their address or VPC.
    """
    found: dict[str, list[OpenReplayProject]] = {}
    for project in projects:
        others = found.setdefault(project.host, [])
        if others and project.url.strip().rstrip("/") != others[0].url.strip().rstrip("/"):
            raise ValueError(
                f"openreplay_projects: {project.host} has the addresses {others[0].url} and "
                f"{project.url}: use one of them"
            )
        if others and project.vpc is not others[0].vpc:
            raise ValueError(
                f"openreplay_projects: the projects of {project.host} have different VPCs: give "
                "all of them the same vpc, or none"
            )
        others.append(project)
    return found
