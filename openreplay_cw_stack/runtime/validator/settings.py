"""The validator's settings, from the function's environment.

The construct writes these variables and nothing else does; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping

from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.tagging import Reader
from openreplay_cw_stack.tagging.values import Value


class Settings(Value):
    """What a validator has to know.

    Attributes:
        deployment: the value of the metric dimension of that name.
        linked_log_group: the name of the group that linked lines go to.
        own_log_group: the name of the function's own log group.
        policy: what is asked of a line.
        refused_log_groups: the names of all log groups of the deployment's own, which may not be
            tracked; the linked one and the function's own are refused in any case.
        own_account: the account that the function is in, where other accounts send lines as well;
            None where they do not.
        token_secret_arn: the secret that holds OpenReplay's token secret; None: unchecked.
        detailed_metrics: publish lines by log group and verdict as well.
        parked_lines_queue: the URL of the queue for lines that CloudWatch Logs does not take;
            None: a payload whose lines it does not take is Lambda's to repeat.
    """

    deployment: str
    linked_log_group: str
    own_log_group: str
    policy: Policy
    refused_log_groups: frozenset[str] = frozenset()
    own_account: str | None = None
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
            # No name of a log group has a comma.
            refused_log_groups=frozenset(filter(None, environment.get(_REFUSED, "").split(","))),
            own_account=environment.get("OWN_ACCOUNT") or None,
            token_secret_arn=token_secret_arn,
            detailed_metrics=environment.get("DETAILED_METRICS") == "true",
            parked_lines_queue=environment.get("PARKED_LINES_QUEUE") or None,
        )

    def refuses(self, owner: str, log_group: str) -> bool:
        """Whether a log group is of the deployment's own, and its lines would make a loop."""
        if self.own_account is not None and owner != self.own_account:
            return False
        own = (self.linked_log_group, self.own_log_group)
        return log_group in own or log_group in self.refused_log_groups


_REFUSED = "REFUSED_LOG_GROUPS"
