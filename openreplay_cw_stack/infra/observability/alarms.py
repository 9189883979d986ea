"""The alarms: the metric, threshold and description of each.

This file is longer than others: it holds every alarm. ``docs/alarms.md`` has a section for each,
with its description, and each description ends with the address of its section.

An alarm costs 0.10 dollars a month for each metric that it reads, so one alarm on five metrics
costs as much as five alarms on one metric. AWS documentation, "Alarm limits": the metric math
expression of an alarm reads at most ten metrics and cannot search for them.

The code does not publish zeroes, so the alarms treat missing data as zero, which never breaches.
Expressions add with ``SUM([…])``, which has a value if any of its metrics has one ("Using math
expressions with CloudWatch metrics"). AWS does not document whether FILL fills a metric without
any data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import Verdict

ALARMS_PAGE = "docs/alarms.md"
"""The page of the manual with a section for each alarm."""
METRICS_PER_ALARM = 10
"""AWS documentation, "Alarm limits": a hard limit."""

REFUSALS_TOLERATED = 20
"""Refused requests in five minutes. A person who mistypes a key stays below this number."""
BAD_TAGS_TOLERATED_PERCENT = 10
"""Percent of the tagged lines in 15 minutes."""
BAD_TAGS_AT_LEAST = 10
"""Misspelled or malformed tags in 15 minutes. Below this number their share means nothing."""
REJECTED_LINES_TOLERATED = 9
"""Rejected lines in an hour without a linkable line. One more sets off the alarm."""
AGE_TOLERATED = cdk.Duration.minutes(10)
"""The age of a payload in Lambda's queue. Lambda's two retries happen within three minutes."""

REJECTING_VERDICTS = tuple(
    verdict for verdict in Verdict if verdict not in (Verdict.LINKABLE, Verdict.UNTAGGED)
)
ONLY_WITH_TOKEN_SECRET = (Verdict.BAD_SIGNATURE, Verdict.UNSIGNED)
"""The verdicts that need a signature check."""
WATCHED_LOG_GROUPS = 25
"""The maximum number of tracked log groups whose delivery is watched. Each costs 0.20 dollars a
month and two kilobytes of the template, which is limited to a megabyte. The check command checks
all groups."""
_DELIVERY_METRICS = ("DeliveryErrors", "DeliveryThrottling")


class Alarms:
    """The alarms of one deployment, which all notify one topic.

    Attributes:
        by_name: the alarms by name, except those on delivery.
        on_delivery: the alarms on lines that CloudWatch Logs cannot deliver. Each watches up to
            five log groups.
    """

    def __init__(self, scope: Construct, topic: sns.ITopic) -> None:
        """Start without alarms.

        Args:
            scope: the parent construct of the alarms.
            topic: the topic that the alarms notify.
        """
        self.by_name: dict[str, cloudwatch.Alarm] = {}
        self.on_delivery: list[cloudwatch.CfnAlarm] = []
        self._scope = scope
        self._topic = topic
        self._action = cloudwatch_actions.SnsAction(topic)
        # Cached: a synth reads the ARNs three times, and each read is a call to Node.js.
        self._arns: list[str] = []
        self._groups_watched = 0
        self._delivery_metrics: list[cloudwatch.CfnAlarm.MetricDataQueryProperty] = []

    @property
    def arns(self) -> list[str]:
        """The ARNs of all alarms added so far."""
        return self._arns + [alarm.attr_arn for alarm in self.on_delivery]

    def watch_lines(self, validator: TokenValidator, *, checks_signatures: bool) -> None:
        """Add alarms on the lines' tags and tokens."""
        bad = (Verdict.MISSPELLED_TAG, Verdict.MALFORMED_TOKEN)
        self._add(
            "RejectedTags",
            _share_of_bad_tags(validator, bad),
            f"In 15 minutes, at least {BAD_TAGS_AT_LEAST} session tags, and more than "
            f"{BAD_TAGS_TOLERATED_PERCENT} percent of all, were misspelled or malformed. On the "
            "dashboard, find the log group with rejected lines. Run the judge command on its "
            "lines, and fix the program that writes them",
            threshold=BAD_TAGS_TOLERATED_PERCENT,
            ends=True,
        )
        rejecting = [
            verdict
            for verdict in REJECTING_VERDICTS
            if checks_signatures or verdict not in ONLY_WITH_TOKEN_SECRET
        ]
        self._add(
            "LinkedLinesStopped",
            _rejected_while_none_is_linkable(validator, rejecting),
            "Lines with a session tag arrive, but none was linkable for an hour. The verdicts on "
            "the dashboard show the cause: the requests carry no token, a data protection policy "
            "masks it, or token_secret belongs to another OpenReplay",
            threshold=REJECTED_LINES_TOLERATED,
            ends=True,
        )
        self._add(
            "DroppedLines",
            validator.metric(names.DROPPED_LINES),
            "The validator could not read some log events of a payload; they are lost. CloudWatch "
            "Logs does not send such events: find out what else invokes the validator, or writes "
            "to its stream or its retry queue",
        )
        if checks_signatures:
            self._add(
                "UncheckedSignatures",
                validator.metric(names.UNCHECKED_SIGNATURES),
                "The validator cannot read the token secret, and links lines without checking "
                "signatures. Check that the secret exists, and that the policy of its KMS key "
                "allows the validator's role",
                ends=True,
            )

    def watch_stream(self, validator: TokenValidator) -> None:
        """Add an alarm on lines that wait in the stream."""
        self._add(
            "StreamAge",
            _of_function(validator.function, "IteratorAge", "Maximum"),
            "Lines wait in the stream for more than ten minutes. After a day Lambda gives up on "
            "them; the replay command can read them for seven days. If the validator is throttled, "
            "raise reserved_concurrency. If it fails, its log group names the error to fix",
            threshold=AGE_TOLERATED.to_milliseconds(),
            ends=True,
        )

    def watch_validator(self, validator: TokenValidator) -> None:
        """Add alarms on the validator's function and on the payloads that wait for it."""
        function = validator.function
        self._add(
            "DeadLetters",
            validator.dead_letter_queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum"
            ),
            "The dead-letter queue holds payloads that could not be stored for a day, could not be "
            "read, or contained an item that DynamoDB refused. It keeps them for 14 days. Each "
            "names its reason, and the validator's log group has more. Fix the cause, then run "
            "the replay command",
            ends=True,
        )
        self._add(
            "ValidatorErrors",
            function.metric_errors(),
            "The validator failed: it timed out, ran out of memory, or could write its lines "
            "neither to the session table nor to the retry queue. AWS retries each payload, so "
            "nothing is lost yet. The validator's log group has the error code",
            ends=True,
        )
        self._add(
            "ValidatorThrottles",
            function.metric_throttles(),
            "The validator has reached its concurrency limit for 15 minutes, and lines wait. Raise "
            "reserved_concurrency, or the account's quota of concurrent executions",
            periods=3,
            ends=True,
        )
        self._add(
            "PayloadAge",
            _of_function(function, "AsyncEventAge", "Maximum"),
            "Lines reach the validator more than ten minutes late. Lambda gives up after six "
            "hours. If the validator is throttled, raise reserved_concurrency. If it fails, its "
            "log group names the error to fix",
            threshold=AGE_TOLERATED.to_milliseconds(),
            ends=True,
        )
        self._add(
            "DroppedPayloads",
            _of_function(function, "AsyncEventsDropped", "Sum"),
            "Lambda gave up on subscription payloads after two retries or six hours. They are in "
            "the dead-letter queue: follow the description of the alarm DeadLetters",
        )
        self._add(
            "FailedDestinationDeliveries",
            _of_function(function, "DestinationDeliveryFailures", "Sum"),
            "Lambda could not send a payload to the dead-letter queue. Its lines are lost, unless "
            "the tracked log group still has them. Check that the queue exists, and that the "
            "validator's role has permission to send to it",
        )

    def watch_storing(self, validator: TokenValidator) -> None:
        """Add alarms on lines that the validator cannot store.

        The age of the oldest message is not usable: SQS ignores messages that were received more
        than three times (Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon
        SQS"). A message that waits for its next attempt is not visible.
        """
        queue = validator.retry_queue
        waiting = {
            "visible": queue.metric_approximate_number_of_messages_visible(statistic="Minimum"),
            "hidden": queue.metric_approximate_number_of_messages_not_visible(statistic="Minimum"),
        }
        self._add(
            "RetryQueue",
            cloudwatch.MathExpression(
                expression="SUM([visible, hidden])",
                using_metrics=waiting,
                label="Messages in the retry queue",
                period=cdk.Duration.minutes(5),
            ),
            "The retry queue has held messages for 15 minutes: the validator cannot write their "
            "lines to the session table, and after a day they become dead letters. The validator's "
            "log group names the error: end the throttling, or restore the table, its key, or the "
            "permission to write to it",
            periods=3,
            ends=True,
        )
        self._add(
            "ThrottledWrites",
            validator.metric(names.THROTTLED_WRITES),
            "DynamoDB has throttled writes to the session table for 15 minutes. The lines wait in "
            "the retry queue. Raise session_table_write_limit, or the account's quota for "
            "on-demand tables. If many clients share one session token, find them: one session "
            "can use at most 1,000 write units a second",
            periods=3,
            ends=True,
        )
        self._add(
            "UnusablePayloads",
            validator.metric(names.UNUSABLE_PAYLOADS),
            "The validator received a payload that is not a subscription payload, or is truncated "
            "or damaged. The dead-letter queue has it, with the reason. Find out what else invokes "
            "the validator, or writes to its stream or its retry queue",
        )
        if validator.publishes_error_events:
            self._add(
                "FailedErrorEvents",
                validator.metric(names.FAILED_ERROR_EVENTS),
                "The validator cannot publish error events. It retries for a day, and no line is "
                "lost. Its log group names the error. Check that the event bus exists, that the "
                "policy of the bus allows the validator's role, and that the quota of PutEvents is "
                "not used up",
                periods=3,
                ends=True,
            )

    def watch_delivery(
        self,
        log_group: logs.ILogGroup,
        subscription_filter: logs.SubscriptionFilter,
        *,
        destination_type: str = "Lambda",
    ) -> None:
        """Watch whether CloudWatch Logs can deliver the lines of a log group.

        Only the first :data:`WATCHED_LOG_GROUPS` log groups are watched.

        The function's own metrics do not show a failed delivery. CloudWatch Logs User Guide,
        "Monitoring with CloudWatch metrics": both metrics have the dimensions LogGroupName,
        DestinationType and FilterName. The page does not list the values of DestinationType:
        ``Lambda`` was not verified against AWS.

        Args:
            log_group: the log group.
            subscription_filter: the filter that delivers its lines.
            destination_type: the value of the dimension ``DestinationType``.
        """
        if self._groups_watched >= WATCHED_LOG_GROUPS:
            return
        self._groups_watched += 1
        if len(self._delivery_metrics) % METRICS_PER_ALARM == 0:
            self._delivery_metrics = []
            self.on_delivery.append(self._delivery_alarm())
        number = len(self._delivery_metrics) // len(_DELIVERY_METRICS) + 1
        for name in _DELIVERY_METRICS:
            identifier = f"{name[0].lower()}{name[1:]}{number}"
            metric = cloudwatch.CfnAlarm.MetricProperty(
                namespace="AWS/Logs",
                metric_name=name,
                dimensions=[
                    cloudwatch.CfnAlarm.DimensionProperty(name=dimension, value=value)
                    for dimension, value in (
                        ("DestinationType", destination_type),
                        ("FilterName", _filter_name(subscription_filter)),
                        ("LogGroupName", log_group.log_group_name),
                    )
                ],
            )
            self._delivery_metrics.append(
                cloudwatch.CfnAlarm.MetricDataQueryProperty(
                    id=identifier,
                    metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
                        metric=metric, period=300, stat="Sum"
                    ),
                    return_data=False,
                )
            )
        everything = cloudwatch.CfnAlarm.MetricDataQueryProperty(
            id="undelivered",
            expression="SUM(METRICS())",
            label="Log events not delivered, or late",
        )
        self.on_delivery[-1].metrics = [everything, *self._delivery_metrics]

    def watch_bridge(self, bridge: SessionSearchBridge) -> None:
        """Add alarms on the bridge's responses."""
        self._add(
            "BridgeFailures",
            bridge.metric(names.FAILED_SEARCHES),
            "The bridge answered requests with an error that OpenReplay did not cause. The "
            "bridge's log group names it; most often the bridge cannot read the secret with its "
            "API key",
            ends=True,
        )
        self._add(
            "BridgeTimedOutSearches",
            bridge.metric(names.TIMED_OUT_SEARCHES),
            "DynamoDB throttled the bridge, refused its Query, or was too slow. The affected "
            "replays show no lines until they are opened again. The bridge's log group names the "
            "error: restore the table, its key, or the permission to read from it",
            ends=True,
        )
        self._add(
            "BridgeRefusedSearches",
            bridge.metric(names.REFUSED_SEARCHES),
            "The bridge refused many requests: they had a wrong key, came from other addresses, or "
            "were not searches. The dimension Reason says which. Enter the current key in "
            "OpenReplay, or narrow allowed_source_ranges to keep other clients out",
            threshold=REFUSALS_TOLERATED,
            ends=True,
        )

    def watch_rotation(self, rotation: KeyRotation) -> None:
        """Add alarms on the rotation of the keys that OpenReplay uses."""
        self._add(
            "NewKeyUnused",
            rotation.metric(names.NEW_KEY_UNUSED),
            "A key was rotated, but OpenReplay does not use the new key yet, or still uses the old "
            "one. Enter the new key in OpenReplay before the old key stops working. The dimension "
            "Key names the key",
            ends=True,
        )
        self._add(
            "RefusedRotations",
            rotation.metric(names.REFUSED_ROTATIONS),
            "A key was not rotated. Either OpenReplay still uses the previous key: enter the "
            "current one there. Or the user has a key that was created by hand, which leaves no "
            "room for a new key: delete it",
            ends=True,
        )
        self._add(
            "FailedRotations",
            rotation.metric(names.FAILED_ROTATIONS),
            "A step of a rotation failed, and Secrets Manager retries it; or the current key was "
            "deleted or disabled by hand. The rotation's log group says which, and what to do",
            ends=True,
        )

    def watch_registrations(self, registrations: ProjectRegistrations) -> None:
        """Add an alarm on OpenReplay projects that cannot be registered."""
        self._add(
            "FailedRegistrations",
            registrations.metric_failed(),
            "The bridge's key could not be registered with an OpenReplay project. The registration "
            "is retried every hour. The log group of its function names the cause, such as a login "
            "that no longer works or an address that cannot be reached",
            ends=True,
        )

    def watch_functions(self, functions: Sequence[lambda_.IFunction]) -> None:
        """Add alarms on errors of the other functions, one for every ten functions."""
        for start in range(0, len(functions), METRICS_PER_ALARM):
            some = functions[start : start + METRICS_PER_ALARM]
            number = start // METRICS_PER_ALARM + 1
            self._add(
                f"FunctionErrors{number if number > 1 else ''}",
                cloudwatch.MathExpression(
                    expression="SUM(METRICS())",
                    using_metrics={
                        f"errors{place}": function.metric_errors()
                        for place, function in enumerate(some, 1)
                    },
                    label="Failed invocations",
                    period=cdk.Duration.minutes(5),
                ),
                "A function other than the validator failed or timed out: the bridge, the "
                "rotation, or a registration. The dashboard shows which one, and the log group of "
                "that function has the error",
                ends=True,
            )

    def _delivery_alarm(self) -> cloudwatch.CfnAlarm:
        number = len(self.on_delivery) + 1
        name = f"UndeliveredLines{number if number > 1 else ''}"
        return cloudwatch.CfnAlarm(
            self._scope,
            name,
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_description=_with_its_section(
                name,
                "CloudWatch Logs could not deliver lines of a tracked log group to the validator, "
                "or was throttled. After an error it skips lines for up to ten minutes: run the "
                "check command, and restore the function's permission for logs.amazonaws.com. It "
                "retries throttled lines for a day: raise reserved_concurrency",
            ),
            alarm_actions=[self._topic.topic_arn],
            ok_actions=[self._topic.topic_arn],
        )

    def _add(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        threshold: float = 0,
        periods: int = 1,
        ends: bool = False,
    ) -> None:
        """Add an alarm that goes off above a threshold.

        Args:
            name: the construct's id.
            metric: a metric or an expression, with its period.
            description: the problem and its fix, without a final period.
            threshold: the highest value of the metric without an alarm.
            periods: how many periods in a row the metric is above the threshold.
            ends: whether the problem is over when the metric falls. The topic then gets a message.
                A loss is not over: lost lines do not return after five quiet minutes.
        """
        alarm = cloudwatch.Alarm(
            self._scope,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=_with_its_section(name, description),
        )
        alarm.add_alarm_action(self._action)
        if ends:
            alarm.add_ok_action(self._action)
        self.by_name[name] = alarm
        self._arns.append(alarm.alarm_arn)


def _with_its_section(name: str, description: str) -> str:
    """Return the description with the address of the alarm's section.

    Numbered alarms, such as ``FunctionErrors2``, share the section of the first.
    """
    return f"{description}. See {ALARMS_PAGE}#{name.rstrip('0123456789').lower()}"


def _share_of_bad_tags(
    validator: TokenValidator, bad: Sequence[Verdict]
) -> cloudwatch.MathExpression:
    """Return the percentage of bad tags among these and linkable ones; 0 for a few bad tags."""
    period = cdk.Duration.minutes(15)
    rejected = f"SUM([{', '.join(bad)}])"
    tagged = f"SUM([{', '.join((*bad, Verdict.LINKABLE))}])"
    return cloudwatch.MathExpression(
        expression=f"IF({rejected} >= {BAD_TAGS_AT_LEAST}, 100 * {rejected} / {tagged}, 0)",
        using_metrics=_lines(validator, (*bad, Verdict.LINKABLE), period),
        label="Misspelled or malformed, percent",
        period=period,
    )


def _rejected_while_none_is_linkable(
    validator: TokenValidator, rejecting: Sequence[Verdict]
) -> cloudwatch.MathExpression:
    """Return the number of rejected lines in an hour, or 0 if any line was linkable."""
    period = cdk.Duration.hours(1)
    rejected = f"SUM([{', '.join(rejecting)}])"
    tagged = f"SUM([{', '.join((*rejecting, Verdict.LINKABLE))}])"
    return cloudwatch.MathExpression(
        expression=f"IF({tagged} > {rejected}, 0, {rejected})",
        using_metrics=_lines(validator, (*rejecting, Verdict.LINKABLE), period),
        label="Rejected lines while none is linkable",
        period=period,
    )


def _lines(
    validator: TokenValidator, verdicts: Sequence[Verdict], period: cdk.Duration
) -> Mapping[str, cloudwatch.IMetric]:
    return {str(one): validator.metric_lines(one, period=period) for one in verdicts}


def _of_function(function: lambda_.IFunction, name: str, statistic: str) -> cloudwatch.Metric:
    """Return a metric of a function, over five minutes.

    Lambda Developer Guide, "Types of metrics for Lambda functions".
    """
    return function.metric(name, statistic=statistic, period=cdk.Duration.minutes(5))


def _filter_name(subscription_filter: logs.SubscriptionFilter) -> str:
    """Return the filter's name, which CloudFormation generates.

    The identifier of the resource has two parts: the filter's name and the log group's name.
    ``Ref`` of such a resource may return both, with ``|`` between them.
    """
    resource = subscription_filter.node.default_child
    assert isinstance(resource, logs.CfnSubscriptionFilter)  # noqa: S101
    return cdk.Fn.select(0, cdk.Fn.split("|", resource.ref))
