"""The redelivery's settings, from the function's environment.

The construct writes these variables and nothing else does; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What a redelivery has to know.

    Attributes:
        deployment: the value of the metric dimension of that name.
        linked_log_group: the name of the group that parked lines go to.
        parked_lines_queue: the URL of the queue that they come from.
        first_pause_seconds: how long lines wait after their first failure; then twice as long
            after each further one.
        longest_pause_seconds: how long they wait at most.
    """

    deployment: str
    linked_log_group: str
    parked_lines_queue: str
    first_pause_seconds: int
    longest_pause_seconds: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that the construct sets.

        Raises:
            KeyError: one is missing.
            ValueError: a pause is no whole number.
        """
        return cls(
            deployment=environment["DEPLOYMENT"],
            linked_log_group=environment["LINKED_LOG_GROUP"],
            parked_lines_queue=environment["PARKED_LINES_QUEUE"],
            first_pause_seconds=int(environment["FIRST_PAUSE_SECONDS"]),
            longest_pause_seconds=int(environment["LONGEST_PAUSE_SECONDS"]),
        )
