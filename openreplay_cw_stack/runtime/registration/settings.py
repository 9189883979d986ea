"""The unattended registration's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of the registration of one project.

    Attributes:
        deployment: the value of the metric dimension of that name.
        url: OpenReplay's address.
        project_id: the project's number.
        insecure: whether ``http://`` is allowed.
        login_secret_arn: the secret with ``email`` and ``password`` of a member.
        key_secret_arn: the secret with the bridge's API key.
        bridge_url: the bridge's URL.
    """

    deployment: str
    url: str
    project_id: int
    insecure: bool
    login_secret_arn: str
    key_secret_arn: str
    bridge_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of :meth:`to_environment`.

        Raises:
            KeyError: one is missing.
            ValueError: the project's number is not a number.
        """
        return cls(
            deployment=environment["DEPLOYMENT"],
            url=environment["OPENREPLAY_URL"],
            project_id=int(environment["PROJECT_ID"]),
            insecure=environment["INSECURE"] == "true",
            login_secret_arn=environment["LOGIN_SECRET_ARN"],
            key_secret_arn=environment["KEY_SECRET_ARN"],
            bridge_url=environment["BRIDGE_URL"],
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variables that :meth:`from_environment` reads."""
        return {
            "DEPLOYMENT": self.deployment,
            "OPENREPLAY_URL": self.url,
            "PROJECT_ID": str(self.project_id),
            "INSECURE": str(self.insecure).lower(),
            "LOGIN_SECRET_ARN": self.login_secret_arn,
            "KEY_SECRET_ARN": self.key_secret_arn,
            "BRIDGE_URL": self.bridge_url,
        }
