"""Unattended registration: on a deployment, after a rotation, and each hour until it succeeds.

One function registers all projects of an OpenReplay instance, one after another. A failed project
is logged, counted and retried, and stops neither the other projects nor a deployment. A tag on the
key's secret records the version of the key that each project has, so an hour without a change costs
two AWS calls and no login.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from openreplay_cw_stack.contract.limits import REGISTRATION_TIMEOUT_SECONDS
from openreplay_cw_stack.contract.openreplay_project import (
    checked_url,
    notified_projects,
    notified_tag,
    project_name,
)
from openreplay_cw_stack.openreplay.bridge_probe import (
    AddressRefused,
    BridgeForm,
    probe_bridge,
)
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed, Sleep
from openreplay_cw_stack.openreplay.integrations import Integrations, NotOurs
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration.member import Member, MemberFailed
from openreplay_cw_stack.runtime.registration.settings import Projects, Settings

BEGIN_WITHIN_SECONDS = REGISTRATION_TIMEOUT_SECONDS / 2
"""How long after its start a run can start another project."""


class Task(Enum):
    """A task of the registration."""

    LOOK = "look"
    """Register the current key with each project that has another key or none."""
    REGISTER = "register"
    """Register the current key with each project, and remove the bridge from those that left."""
    REMOVE = "remove"
    """Remove the bridge from the projects that left."""


class Outcome(Enum):
    """The outcome of a task for one project."""

    NOTIFIED = "notified"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    NOT_OURS = "not removed: its integration is not this deployment's bridge"
    FAILED = "failed"


@dataclass(frozen=True)
class CurrentKey:
    """A secret's current version.

    Attributes:
        version_id: the version's id.
        document: the version's value; empty before the first key.
        tags: the secret's tags.
    """

    version_id: str
    document: Mapping[str, str]
    tags: Mapping[str, str]


class Secrets(Protocol):
    """Secrets Manager. Every call can raise :class:`CallFailed`."""

    def current(self, arn: str) -> CurrentKey:
        """Return the current version of a secret, and its tags."""

    def document(self, arn: str) -> Mapping[str, str]:
        """Return the JSON object that a secret holds."""

    def tag(self, arn: str, key: str, value: str) -> None:
        """Set a tag on a secret."""

    def untag(self, arn: str, key: str) -> None:
        """Remove a tag from a secret, if present."""


_Change = Callable[[int, Integrations], Outcome]


@dataclass(frozen=True)
class Registration:
    """The registration of one deployment with the projects of one OpenReplay instance.

    Attributes:
        settings: see :class:`Settings`.
        secrets: reads the key and the logins.
        log: the function's own log.
        sleep: waits for a number of seconds.
        clock: returns seconds of a monotonic clock.
    """

    settings: Settings
    secrets: Secrets
    log: FunctionLog
    sleep: Sleep = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self, task: Task, left: Projects | None = None) -> dict[str, Outcome]:
        """Run a task. Never raises.

        Args:
            task: the task.
            left: the projects that left the deployment. The bridge is removed from them unless the
                task is ``LOOK``.

        Returns:
            The outcomes by project name.
        """
        until = self.clock() + BEGIN_WITHIN_SECONDS
        outcomes: dict[str, Outcome] = {}
        if task is not Task.REMOVE:
            outcomes |= self._guarded(self.settings.projects, lambda: self._tell(task, until))
        if task is not Task.LOOK and left:
            outcomes |= self._guarded(left, lambda: self._remove(left, until))
        return outcomes

    def name_of(self, number: int) -> str:
        """Return a project's name for metrics and tags."""
        return project_name(self.settings.url, number)

    def _guarded(
        self, projects: Projects, act: Callable[[], dict[str, Outcome]]
    ) -> dict[str, Outcome]:
        """Run ``act``; if it fails for all projects, report each of them as failed."""
        try:
            return act()
        except Exception as failed:
            reason = _reason(failed)
        return {
            self.name_of(number): self._failed(number, reason)
            for numbers in projects.values()
            for number in numbers
        }

    def _tell(self, task: Task, until: float) -> dict[str, Outcome]:
        key = self.secrets.current(self.settings.key_secret_arn)
        notified = notified_projects(key.tags)
        due = {
            login: tuple(
                number
                for number in numbers
                if task is Task.REGISTER or notified.get(self.name_of(number)) != key.version_id
            )
            for login, numbers in self.settings.projects.items()
        }
        outcomes = {
            self.name_of(number): Outcome.UNCHANGED
            for numbers in self.settings.projects.values()
            for number in numbers
        }
        if not any(due.values()):
            return outcomes
        form = self._form(key.document)
        if not form.api_key_id or not form.api_key:
            raise RegistrationFailed(
                "there is no key yet: the registration retries within the hour"
            )
        try:
            probe_bridge(checked_url(form.url), form, sleep=self.sleep)
        except AddressRefused:
            self.log.log("the bridge was not tested: its allowed addresses exclude this function")

        def tell(number: int, integrations: Integrations) -> Outcome:
            integrations.register(number, form, force=number in self.settings.replaced)
            tag = notified_tag(self.name_of(number))
            self.secrets.tag(self.settings.key_secret_arn, tag, key.version_id)
            return Outcome.NOTIFIED

        return outcomes | self._each(due, tell, until)

    def _remove(self, left: Projects, until: float) -> dict[str, Outcome]:
        form = self._form(self.secrets.document(self.settings.key_secret_arn))

        def remove(number: int, integrations: Integrations) -> Outcome:
            try:
                integrations.remove(number, form)
                outcome = Outcome.REMOVED
            except NotOurs:
                outcome = Outcome.NOT_OURS
            self.secrets.untag(self.settings.key_secret_arn, notified_tag(self.name_of(number)))
            return outcome

        return self._each(left, remove, until)

    def _form(self, document: Mapping[str, str]) -> BridgeForm:
        key_id, key = document.get("api_key_id", ""), document.get("api_key", "")
        return BridgeForm(self.settings.bridge_url, key_id, key)

    def _each(self, projects: Projects, change: _Change, until: float) -> dict[str, Outcome]:
        """Change projects one after another. After a MemberFailed, skip the member's other ones."""
        outcomes: dict[str, Outcome] = {}
        for login, numbers in projects.items():
            member = self._member(login)
            ended = ""
            for number in numbers:
                if not ended and self.clock() > until:
                    ended = "there was no time left: the registration retries within the hour"
                try:
                    if ended:
                        raise MemberFailed(ended)
                    outcome = member.change(functools.partial(change, number))
                except Exception as failed:
                    outcome = self._failed(number, _reason(failed))
                    if isinstance(failed, MemberFailed):
                        ended = str(failed)
                else:
                    self.log.log(f"{self.name_of(number)}: {outcome.value}")
                outcomes[self.name_of(number)] = outcome
        return outcomes

    def _member(self, login: str) -> Member:
        return Member(
            self.settings.url,
            lambda: self.secrets.document(login),
            insecure=self.settings.insecure,
            sleep=self.sleep,
        )

    def _failed(self, number: int, reason: str) -> Outcome:
        self.log.error(f"{self.name_of(number)}: {reason}")
        return Outcome.FAILED


def _reason(failed: Exception) -> str:
    if isinstance(failed, NotOurs):
        return f"{failed}; replace_integration=True of its OpenReplayProject replaces it"
    if isinstance(failed, (RegistrationFailed, ValueError)):
        # Their messages name hosts and remedies; they contain no key and no login.
        return str(failed)
    if isinstance(failed, CallFailed):
        return f"AWS refused a call: {failed}"
    return type(failed).__name__
