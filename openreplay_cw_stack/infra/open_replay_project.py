"""An OpenReplay project that is told of a deployment without a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager

from openreplay_cw_stack.contract.openreplay_project import checked_url, project_name

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2


@dataclass(frozen=True, kw_only=True)
class OpenReplayProject:
    """A project of an OpenReplay v1.21 or later, and a login that may change its integrations.

    Registered on deployment, told of every new key, and removed when it leaves the stack. What
    cannot be reached is tried again each hour and alarmed; it never stops a deployment.

    Attributes:
        url: OpenReplay's address, such as ``https://openreplay.example``.
        project_id: the project's number, as the address bar has it.
        login_secret: a JSON object with ``email`` and ``password`` of a member of its own: a login
            ends that member's other ones. A captcha (OpenReplay's own service) and a single
            sign-on refuse it: register by the command then.
        vpc: where OpenReplay can be reached from; default: the Internet. Secrets Manager must be
            reachable from its private subnets, by a NAT gateway or an endpoint.
        insecure: allow ``http://`` in ``url``: every machine on the way can read login and key.
    """

    url: str
    project_id: int
    login_secret: secretsmanager.ISecret
    vpc: ec2.IVpc | None = None
    insecure: bool = False

    @property
    def name(self) -> str:
        """Host and number, as in metrics, logs and tags."""
        return project_name(self.url, self.project_id)

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
