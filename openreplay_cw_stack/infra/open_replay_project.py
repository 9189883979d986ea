"""An OpenReplay project that the bridge is registered with on each deployment."""

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
    """A project of an OpenReplay v1.21 or later, and a login that may change its integrations.

    The registration is made on deployment, gets every new key, and is removed when the project
    leaves the stack. One that fails is tried again each hour and alarmed; it never stops a
    deployment. An integration that is not this deployment's is neither replaced nor removed.

    Attributes:
        url: OpenReplay's address, such as ``https://openreplay.example``.
        project_id: the project's number, as the address bar has it.
        login_secret: a JSON object with ``email`` and ``password`` of a member of its own: a login
            ends that member's other ones. The projects of one OpenReplay can share it. A captcha
            (OpenReplay's own service) and a single sign-on refuse it: register by the command
            then.
        vpc: where OpenReplay can be reached from; default: the Internet. Secrets Manager must be
            reachable from its private subnets, by a NAT gateway or an endpoint.
        insecure: allow ``http://`` in ``url``: every machine on the way can read login and key.
        replace_integration: replace an Elasticsearch integration that the project has already and
            that is not this deployment's. OpenReplay keeps one of them, so the other one is lost.
    """

    url: str
    project_id: int
    login_secret: secretsmanager.ISecret
    vpc: ec2.IVpc | None = None
    insecure: bool = False
    replace_integration: bool = False

    @property
    def name(self) -> str:
        """Host and number, as in metrics, logs and tags."""
        return project_name(self.url, self.project_id)

    @property
    def host(self) -> str:
        """The host part of the name: whose project it is."""
        return self.name.rpartition("/")[0]

    def check(self) -> None:
        """Refuse what can never be registered.

        Raises:
            ValueError: the address is not one that can be asked, or the number is below 1.
        """
        if cdk.Token.is_unresolved(self.url):
            raise ValueError("the url of an OpenReplayProject must be known when the app is built")
        checked_url(self.url, insecure=self.insecure)
        if self.project_id < 1:
            raise ValueError(f"project_id must be 1 or more, not {self.project_id}")


def default_replay_url(projects: Sequence[OpenReplayProject]) -> str | None:
    """Return the template of replay links, if there is one project and its address is https."""
    if len(projects) != 1 or not projects[0].url.startswith("https://"):
        return None
    return replay_url_of_project(projects[0].url, projects[0].project_id)


def projects_by_openreplay(
    projects: Sequence[OpenReplayProject],
) -> dict[str, list[OpenReplayProject]]:
    """Return the projects of each OpenReplay, by its host.

    Raises:
        ValueError: the projects of one OpenReplay differ in their address or their VPC.
    """
    found: dict[str, list[OpenReplayProject]] = {}
    for project in projects:
        others = found.setdefault(project.host, [])
        if others and project.url.strip().rstrip("/") != others[0].url.strip().rstrip("/"):
            raise ValueError(
                f"openreplay_projects: {project.host} has the addresses {others[0].url} and "
                f"{project.url}: name one"
            )
        if others and project.vpc is not others[0].vpc:
            raise ValueError(
                f"openreplay_projects: {project.host} is reached from several VPCs: name the same "
                "vpc for all of its projects, or none"
            )
        others.append(project)
    return found
