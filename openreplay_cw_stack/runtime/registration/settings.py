"""The registration's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

Projects = Mapping[str, tuple[int, ...]]
"""The numbers of projects, by the ARN of their login secret."""


def projects_to_text(projects: Projects) -> str:
    """Return projects as text that :func:`projects_from_text` parses."""
    return json.dumps(projects, separators=(",", ":"))


def projects_from_text(text: str) -> Projects:
    """Parse projects.

    Raises:
        ValueError: the text does not come from :func:`projects_to_text`.
    """
    return {login: tuple(map(int, numbers)) for login, numbers in json.loads(text).items()}


@dataclass(frozen=True)
class Settings:
    """The settings of the registration with the projects of one OpenReplay instance.

    Attributes:
        deployment: the value of the metric dimension ``Deployment``.
        url: OpenReplay's URL.
        projects: the projects. Each secret holds the ``email`` and ``password`` of a member.
        replaced: the numbers of the projects whose integration is replaced even if it belongs to
            another server.
        insecure: whether ``http://`` is allowed.
        key_secret_arn: the secret with the bridge's API key.
        bridge_url: the bridge's URL.
    """

    deployment: str
    url: str
    projects: Projects
    replaced: frozenset[int]
    insecure: bool
    key_secret_arn: str
    bridge_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of :meth:`to_environment`.

        Raises:
            KeyError: a variable is missing.
            ValueError: a project's number is not a number.
        """
        return cls(
            deployment=environment["DEPLOYMENT"],
            url=environment["OPENREPLAY_URL"],
            projects=projects_from_text(environment["PROJECTS"]),
            replaced=frozenset(map(int, json.loads(environment["REPLACED_INTEGRATIONS"]))),
            insecure=environment["INSECURE"] == "true",
            key_secret_arn=environment["KEY_SECRET_ARN"],
            bridge_url=environment["BRIDGE_URL"],
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variables that :meth:`from_environment` reads."""
        return {
            "DEPLOYMENT": self.deployment,
            "OPENREPLAY_URL": self.url,
            "PROJECTS": projects_to_text(self.projects),
            "REPLACED_INTEGRATIONS": json.dumps(sorted(self.replaced), separators=(",", ":")),
            "INSECURE": str(self.insecure).lower(),
            "KEY_SECRET_ARN": self.key_secret_arn,
            "BRIDGE_URL": self.bridge_url,
        }
