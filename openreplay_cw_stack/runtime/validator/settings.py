"""The validator's settings, from the function's environment.

The construct writes these variables and nothing else does; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What a validator has to know.

    Attributes:
        deployment: the value of the metric dimension of that name.
        session_table_arn: the session table, which may be in another region or account.
        line_retention_seconds: how long a linked line is kept.
        retry_queue_url: the queue for events that could not be stored yet.
        dead_letter_queue_url: the queue for what cannot be stored.
        token_secret_arn: the secret that holds OpenReplay's token secret; None: unchecked.
        accept_unsigned_ids: whether a session id that nobody signed is accepted.
        detailed_metrics: publish lines by log group and verdict as well.
        first_pause_seconds: how long an event waits in the retry queue after the first failure.
            The pause doubles with each further failure.
        longest_pause_seconds: how long it waits at most.
        retry_seconds: for how long it is tried again before it becomes a dead letter.
    """

    deployment: str
    session_table_arn: str
    line_retention_seconds: int
    retry_queue_url: str
    dead_letter_queue_url: str
    token_secret_arn: str | None = None
    accept_unsigned_ids: bool = True
    detailed_metrics: bool = False
    first_pause_seconds: int = 30
    longest_pause_seconds: int = 900
    retry_seconds: int = 86_400

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that the construct sets.

        Raises:
            KeyError: one that is always set is missing.
            ValueError: a number is not one.
        """
        token_secret_arn = environment.get("TOKEN_SECRET_ARN") or None
        return cls(
            deployment=environment["DEPLOYMENT"],
            session_table_arn=environment["SESSION_TABLE_ARN"],
            line_retention_seconds=int(environment["LINE_RETENTION_SECONDS"]),
            retry_queue_url=environment["RETRY_QUEUE_URL"],
            dead_letter_queue_url=environment["DEAD_LETTER_QUEUE_URL"],
            token_secret_arn=token_secret_arn,
            accept_unsigned_ids=token_secret_arn is None
            or environment.get("ACCEPT_UNSIGNED_IDS") == "true",
            detailed_metrics=environment.get("DETAILED_METRICS") == "true",
            first_pause_seconds=int(environment["FIRST_PAUSE_SECONDS"]),
            longest_pause_seconds=int(environment["LONGEST_PAUSE_SECONDS"]),
            retry_seconds=int(environment["RETRY_SECONDS"]),
        )
