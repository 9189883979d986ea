"""The rotation's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of the rotation of one deployment.

    Attributes:
        deployment: the value of the metric dimension ``Deployment``.
        grace: the seconds for which a replaced key is accepted, or can be re-enabled.
        notice: the seconds after which an unused new key is reported.
        orphan_after: the longest time in seconds that a run of the rotation takes to store a key.
        known_after: the seconds after which every bridge knows a new key.
        api_key_secret_arn: the bridge's secret; None without a bridge.
        access_key_secret_arn: the service account's secret; None without a service account.
        user_name: the service account's user.
        reader_log_group: the first log group that its key reads; empty without one.
        stack_id: the stack that contains the user.
        region: where the function runs; AWS Lambda sets it.
        api_key_projects: the names of the projects that are registered with the API key.
        registration_functions: the functions that register these projects.
        reader_addresses_limited: whether the key works only from some addresses, so that AWS may
            deny this function's calls.
    """

    deployment: str
    grace: float
    notice: float
    orphan_after: float
    known_after: float
    api_key_secret_arn: str | None
    access_key_secret_arn: str | None
    user_name: str
    reader_log_group: str
    stack_id: str
    region: str = ""
    api_key_projects: tuple[str, ...] = ()
    registration_functions: tuple[str, ...] = ()
    reader_addresses_limited: bool = False

    def to_environment(self) -> dict[str, str]:
        """Return the variables that :meth:`from_environment` reads, except AWS Lambda's own."""
        variables = {
            "DEPLOYMENT": self.deployment,
            "STACK_ID": self.stack_id,
            "GRACE_SECONDS": f"{self.grace:.0f}",
            "NOTICE_SECONDS": f"{self.notice:.0f}",
            "ORPHAN_AFTER_SECONDS": f"{self.orphan_after:.0f}",
            "KNOWN_AFTER_SECONDS": f"{self.known_after:.0f}",
            "API_KEY_SECRET_ARN": self.api_key_secret_arn or "",
            "ACCESS_KEY_SECRET_ARN": self.access_key_secret_arn or "",
            "USER_NAME": self.user_name,
            "READER_LOG_GROUP": self.reader_log_group,
            "READER_ADDRESSES_LIMITED": "true" if self.reader_addresses_limited else "",
            "API_KEY_PROJECTS": ",".join(self.api_key_projects),
            "REGISTRATION_FUNCTIONS": ",".join(self.registration_functions),
        }
        return {name: value for name, value in variables.items() if value}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of :meth:`to_environment`, and those of AWS Lambda.

        Raises:
            KeyError: a required variable is missing.
            ValueError: a number is invalid.
        """
        return cls(
            deployment=environment["DEPLOYMENT"],
            grace=float(environment["GRACE_SECONDS"]),
            notice=float(environment["NOTICE_SECONDS"]),
            orphan_after=float(environment["ORPHAN_AFTER_SECONDS"]),
            known_after=float(environment["KNOWN_AFTER_SECONDS"]),
            api_key_secret_arn=environment.get("API_KEY_SECRET_ARN"),
            access_key_secret_arn=environment.get("ACCESS_KEY_SECRET_ARN"),
            user_name=environment.get("USER_NAME", ""),
            reader_log_group=environment.get("READER_LOG_GROUP", ""),
            region=environment["AWS_REGION"],
            stack_id=environment["STACK_ID"],
            api_key_projects=_names(environment, "API_KEY_PROJECTS"),
            registration_functions=_names(environment, "REGISTRATION_FUNCTIONS"),
            reader_addresses_limited=environment.get("READER_ADDRESSES_LIMITED") == "true",
        )


def _names(environment: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(filter(None, environment.get(variable, "").split(",")))
