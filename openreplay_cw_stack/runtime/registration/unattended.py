"""Registration without a person: on a deployment, after a rotation, and each hour until it works.

A failure is logged, counted and tried again; it never stops a deployment. A tag of the key's secret
holds the version of the key that the project has, so that an hour without a change costs two calls
of AWS and no login.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from openreplay_cw_stack.contract.openreplay_project import (
    checked_url,
    project_name,
    told_tag,
)
from openreplay_cw_stack.openreplay.bridge_probe import (
    AddressRefused,
    BridgeForm,
    ask_bridge,
)
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.openreplay.integrations import (
    register_bridge,
    unregister_bridge,
)
from openreplay_cw_stack.openreplay.login import (
    LoggedIn,
    LoginEnded,
    log_in,
)
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration.settings import Settings

_LOGINS = 5
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 6.0


class Task(Enum):
    """The tasks of the registration."""

    LOOK = "look"
    """Register the current key if the project has another one or none."""
    REGISTER = "register"
    """Register it in any case."""
    REMOVE = "remove"
    """Stop the project from asking the bridge."""


class Outcome(Enum):
    """The outcome of a task."""

    TOLD = "told"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True)
class CurrentKey:
    """A secret's current version.

    Attributes:
        version_id: its id.
        document: its value; empty if there is no key yet.
        told: the version of the key that the project has, or None.
    """

    version_id: str
    document: Mapping[str, str]
    told: str | None


class Secrets(Protocol):
    """Secrets Manager. Every call can raise :class:`CallFailed`."""

    def current(self, arn: str, tag: str) -> CurrentKey:
        """Return the current version of a secret, and the value of one of its tags."""

    def document(self, arn: str) -> Mapping[str, str]:
        """Return the JSON object that a secret holds."""

    def tag(self, arn: str, key: str, value: str) -> None:
        """Set a tag of a secret."""


@dataclass(frozen=True)
class Registration:
    """The registration of one deployment with one project.

    Attributes:
        settings: see :class:`Settings`.
        secrets: reads the key and the login.
        log: the function's own log.
        sleep: waits for so many seconds.
    """

    settings: Settings
    secrets: Secrets
    log: FunctionLog
    sleep: Callable[[float], None] = time.sleep

    @property
    def project(self) -> str:
        """The project's name, as in metrics and tags."""
        return project_name(self.settings.url, self.settings.project_id)

    def run(self, task: Task) -> Outcome:
        """Do a task. Never raises."""
        try:
            outcome = self._do(task)
        except (RegistrationFailed, ValueError) as failed:
            # Their messages name hosts and remedies; they contain no key and no login.
            return self._failed(str(failed))
        except CallFailed as failed:
            return self._failed(f"AWS refused a call: {failed}")
        except Exception as fault:
            return self._failed(type(fault).__name__)
        self.log.log(f"{self.project}: {outcome.value}")
        return outcome

    def _do(self, task: Task) -> Outcome:
        """Do a task, and log in again if another login of the same member ended the session.

        Projects can share a member, and a deployment or a rotation registers them all at once.
        """
        for _ in range(_LOGINS - 1):
            try:
                return self._do_once(task)
            except LoginEnded:
                wait = random.uniform(_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)  # noqa: S311
                self.sleep(wait)
        return self._do_once(task)

    def _do_once(self, task: Task) -> Outcome:
        return self._remove() if task is Task.REMOVE else self._tell(task)

    def _failed(self, reason: str) -> Outcome:
        self.log.error(f"{self.project}: {reason}")
        return Outcome.FAILED

    def _tell(self, task: Task) -> Outcome:
        key = self.secrets.current(self.settings.key_secret_arn, told_tag(self.project))
        if task is Task.LOOK and key.told == key.version_id:
            return Outcome.UNCHANGED
        self._tell_bridge(key.document)
        self.secrets.tag(self.settings.key_secret_arn, told_tag(self.project), key.version_id)
        return Outcome.TOLD

    def _tell_bridge(self, document: Mapping[str, str]) -> None:
        form = BridgeForm(
            self.settings.bridge_url, _part(document, "api_key_id"), _part(document, "api_key")
        )
        try:
            ask_bridge(checked_url(form.url), form)
        except AddressRefused:
            self.log.log("the bridge answers other addresses than this one, as it is set to")
        register_bridge(self._logged_in(), self.settings.project_id, form)

    def _remove(self) -> Outcome:
        unregister_bridge(self._logged_in(), self.settings.project_id)
        return Outcome.REMOVED

    def _logged_in(self) -> LoggedIn:
        server = checked_url(self.settings.url, insecure=self.settings.insecure)
        try:
            login = self.secrets.document(self.settings.login_secret_arn)
        except CallFailed as failed:
            raise RegistrationFailed(
                f"the login secret cannot be read: {failed}; does it still exist, may this "
                "function use the KMS key that encrypts it, and, where it is another account's, "
                "does its own policy allow this function's role?"
            ) from None
        email, password = login.get("email"), login.get("password")
        if not email or not password:
            raise RegistrationFailed(
                "the login secret holds no login: it is to be a JSON object with email and password"
            )
        return log_in(server, email, password)


def _part(document: Mapping[str, str], name: str) -> str:
    value = document.get(name)
    if not value:
        raise RegistrationFailed(
            "there is no key yet: the registration tries again within the hour"
        )
    return value
