"""The validator's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openreplay_cw_stack.contract.limits import (
    ERROR_EVENT_INTERVAL_SECONDS,
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    RETRY_SECONDS,
)


@dataclass(frozen=True)
class Settings:
    """The settings of a validator.

    Attributes:
        deployment: the value of the metric dimension ``Deployment``.
        session_table_arn: the session table, which may be in another region or account.
        line_retention_seconds: how long a linked line is kept.
        retry_queue_url: the queue for events that could not be stored yet.
        dead_letter_queue_url: the queue for events that cannot be stored.
        token_secret_arn: the secret that holds OpenReplay's token secret; None leaves signatures
            unchecked.
        accept_unsigned_ids: whether a session id without a signature is accepted.
        detailed_metrics: whether lines are also counted by log group and verdict.
        replay_url: the template of replay links; None for no links.
        error_bus_arn: the event bus for error events; None for no events.
        error_event_interval_seconds: the shortest time between two error events of a session.
        first_pause_seconds: how long an event waits in the retry queue after the first failure.
            The pause doubles with each further failure.
        max_pause_seconds: the longest pause.
        retry_seconds: how long an event is retried before it becomes a dead letter.
    """

    deployment: str
    session_table_arn: str
    line_retention_seconds: int
    retry_queue_url: str
    dead_letter_queue_url: str
    accept_unsigned_ids: bool
    token_secret_arn: str | None = None
    detailed_metrics: bool = False
    replay_url: str | None = None
    error_bus_arn: str | None = None
    error_event_interval_seconds: int = ERROR_EVENT_INTERVAL_SECONDS
    first_pause_seconds: int = FIRST_PAUSE_SECONDS
    max_pause_seconds: int = MAX_PAUSE_SECONDS
    retry_seconds: int = RETRY_SECONDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of :meth:`to_environment`.

        Raises:
            KeyError: a required variable is missing.
            ValueError: a number is invalid.
        """
        token_secret_arn = environment.get("TOKEN_SECRET_ARN") or None
        return cls(
            deployment=environment["DEPLOYMENT"],
            session_table_arn=environment["SESSION_TABLE_ARN"],
            line_retention_seconds=int(environment["LINE_RETENTION_SECONDS"]),
            retry_queue_url=environment["RETRY_QUEUE_URL"],
            dead_letter_queue_url=environment["DEAD_LETTER_QUEUE_URL"],
            token_secret_arn=token_secret_arn,
            accept_unsigned_ids=environment["ACCEPT_UNSIGNED_IDS"] == "true",
            detailed_metrics=environment.get("DETAILED_METRICS") == "true",
            replay_url=environment.get("REPLAY_URL") or None,
            error_bus_arn=environment.get("ERROR_BUS_ARN") or None,
            error_event_interval_seconds=int(
                environment.get("ERROR_EVENT_INTERVAL_SECONDS", ERROR_EVENT_INTERVAL_SECONDS)
            ),
            first_pause_seconds=int(environment["FIRST_PAUSE_SECONDS"]),
            max_pause_seconds=int(environment["MAX_PAUSE_SECONDS"]),
            retry_seconds=int(environment["RETRY_SECONDS"]),
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variables that :meth:`from_environment` reads."""
        environment = {
            "DEPLOYMENT": self.deployment,
            "SESSION_TABLE_ARN": self.session_table_arn,
            "LINE_RETENTION_SECONDS": str(self.line_retention_seconds),
            "RETRY_QUEUE_URL": self.retry_queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url,
            "ACCEPT_UNSIGNED_IDS": str(self.accept_unsigned_ids).lower(),
            "FIRST_PAUSE_SECONDS": str(self.first_pause_seconds),
            "MAX_PAUSE_SECONDS": str(self.max_pause_seconds),
            "RETRY_SECONDS": str(self.retry_seconds),
        }
        if self.token_secret_arn is not None:
            environment["TOKEN_SECRET_ARN"] = self.token_secret_arn
        if self.replay_url is not None:
            environment["REPLAY_URL"] = self.replay_url
        if self.error_bus_arn is not None:
            environment["ERROR_BUS_ARN"] = self.error_bus_arn
            environment["ERROR_EVENT_INTERVAL_SECONDS"] = str(self.error_event_interval_seconds)
        if self.detailed_metrics:
            environment["DETAILED_METRICS"] = "true"
        return environment
