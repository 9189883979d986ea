"""The validator's settings, from the function's environment.

The construct writes these variables and nothing else does; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.tagging import Reader


@dataclass(frozen=True)
class Settings:
    """What a validator has to know.

    Attributes:
        deployment: the value of the metric dimension of that name.
        linked_log_group: the name of the group that linked lines go to.
        own_log_group: the name of the function's own log group.
        policy: what is asked of a line.
        token_secret_arn: the secret that holds OpenReplay's token secret; None: unchecked.
        detailed_metrics: publish lines by log group and verdict as well.
        parked_lines_queue: the URL of the queue for lines that CloudWatch Logs does not take;
            None: a payload whose lines it does not take is Lambda's to repeat.
    """

    deployment: str
    linked_log_group: str
    own_log_group: str
    policy: Policy
    token_secret_arn: str | None = None
    detailed_metrics: bool = False
    parked_lines_queue: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that the construct sets.

        Raises:
            KeyError: one that is always set is missing.
            ValueError: a reader is none that we know.
        """
        token_secret_arn = environment.get("TOKEN_SECRET_ARN") or None
        return cls(
            deployment=environment["DEPLOYMENT"],
            linked_log_group=environment["LINKED_LOG_GROUP"],
            own_log_group=environment["OWN_LOG_GROUP"],
            policy=Policy(
                readers=frozenset(map(Reader, environment["READERS"].split(","))),
                accept_unsigned_ids=token_secret_arn is None
                or environment.get("ACCEPT_UNSIGNED_IDS") == "true",
            ),
            token_secret_arn=token_secret_arn,
            detailed_metrics=environment.get("DETAILED_METRICS") == "true",
            parked_lines_queue=environment.get("PARKED_LINES_QUEUE") or None,
        )
