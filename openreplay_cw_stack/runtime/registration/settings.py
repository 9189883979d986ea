"""The unattended registration's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

Projects = Mapping[str, tuple[int, ...]]
"""The numbers of projects, by the ARN of the secret with the login that changes them."""


def projects_to_text(projects: Projects) -> str:
    """Return projects as the text that :func:`projects_from_text` reads."""
    return json.dumps(projects, separators=(",", ":"))


def projects_from_text(text: str) -> Projects:
    """Read projects.

    Raises:
        ValueError: the text is not of :func:`projects_to_text`.
    """
    return {login: tuple(map(int, numbers)) for login, numbers in json.loads(text).items()}


@dataclass(frozen=True)
class Settings:
    """The settings of the registration of the projects of one OpenReplay.

    Attributes:
        deployment: the value of the metric dimension of that name.
        url: OpenReplay's address.
        projects: its projects. The secrets hold ``email`` and ``password`` of a member each.
        replaced: the numbers of the projects whose integration is replaced, whoever's it is.
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
            KeyError: one is missing.
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
