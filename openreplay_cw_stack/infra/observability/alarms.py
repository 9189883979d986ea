"""The alarms: what each watches, from where on it goes off, and what a person does then.

This file is longer than others: it holds every alarm, beside the text that the README repeats.

An alarm costs 0.10 dollars a month for each metric that it reads, so one alarm with five metrics
costs what five alarms with one do. AWS documentation, "Alarm limits": a metric math expression of
an alarm reads at most ten metrics and cannot search for them.

Zeroes are not published, so data that is missing is a zero here: it never breaches. Expressions add
with ``SUM([…])``, which has a value where any of its metrics has one ("Using math expressions with
CloudWatch metrics"); whether FILL fills a metric that has no data at all is not documented.
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

METRICS_PER_ALARM = 10
"""AWS documentation, "Alarm limits": a hard limit."""

REFUSALS_TOLERATED = 20
"""Refused questions in five minutes: a person who mistypes a key is below this."""
BAD_TAGS_TOLERATED_PERCENT = 10
"""Of the tagged lines of 15 minutes."""
BAD_TAGS_AT_LEAST = 10
"""Misspelled or malformed tags in 15 minutes, below which their share says nothing."""
REJECTED_LINES_TOLERATED = 9
"""Rejected lines in an hour without a linkable one: one more is an alarm."""
AGE_TOLERATED = cdk.Duration.minutes(10)
"""Of a payload in Lambda's queue. Its two retries come within three minutes."""

REJECTING_VERDICTS = tuple(
    verdict for verdict in Verdict if verdict not in (Verdict.LINKABLE, Verdict.UNTAGGED)
)
ONLY_WITH_TOKEN_SECRET = (Verdict.BAD_SIGNATURE, Verdict.UNSIGNED)
"""The verdicts that need a signature check."""
WATCHED_LOG_GROUPS = 25
"""How many tracked log groups have their delivery watched: each is 0.20 dollars a month, and two
kilobytes of a template that may have a megabyte. The check command looks at all of them."""
_DELIVERY_METRICS = ("DeliveryErrors", "DeliveryThrottling")
_GROUPS_PER_ALARM = METRICS_PER_ALARM // len(_DELIVERY_METRICS)


class Alarms:
    """The alarms of one deployment, all of which tell one topic.

    Attributes:
        by_name: by what they watch, but for those on delivery.
        on_delivery: on what CloudWatch Logs could not deliver, each on up to five log groups.
    """

    def __init__(self, scope: Construct, topic: sns.ITopic) -> None:
        """Make none yet.

        Args:
            scope: whose children they become.
            topic: what they tell.
        """
        self.by_name: dict[str, cloudwatch.Alarm] = {}
        self.on_delivery: list[cloudwatch.CfnAlarm] = []
        self._scope = scope
        self._topic = topic
        self._action = cloudwatch_actions.SnsAction(topic)
        # Kept, since a synth asks for them three times, and each is a question to Node.js.
        self._arns: list[str] = []
        self._groups_watched = 0
        self._delivery_metrics: list[cloudwatch.CfnAlarm.MetricDataQueryProperty] = []

    @property
    def arns(self) -> list[str]:
        """Of all alarms there are by now."""
        return self._arns + [alarm.attr_arn for alarm in self.on_delivery]

    def watch_lines(self, validator: TokenValidator, *, checks_signatures: bool) -> None:
        """Alarms on what the lines themselves are like."""
        bad = (Verdict.MISSPELLED_TAG, Verdict.MALFORMED_TOKEN)
        self._add(
            "RejectedTags",
            _share_of_bad_tags(validator, bad),
            f"More than {BAD_TAGS_TOLERATED_PERCENT} percent of the tags of 15 minutes, and at "
            f"least {BAD_TAGS_AT_LEAST} of them, are misspelled or malformed. Look on the "
            "dashboard which log group has rejected lines, run the judge command on it, and mend "
            "the program that writes them",
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
            "Lines with a tag arrive, and for an hour none of them was linkable. The verdicts on "
            "the dashboard say why: no token comes with the requests, a data protection policy "
            "masks it, or token_secret is another OpenReplay's",
            threshold=REJECTED_LINES_TOLERATED,
            ends=True,
        )
        self._add(
            "DroppedLines",
            validator.metric(names.DROPPED_LINES),
            "Log events of a payload could not be read, and were lost. CloudWatch Logs writes no "
            "such events: find out what else invokes the validator, or writes to its stream or "
            "its retry queue",
        )
        if checks_signatures:
            self._add(
                "UncheckedSignatures",
                validator.metric(names.UNCHECKED_SIGNATURES),
                "The token secret cannot be read: lines are linked without a signature check. Look "
                "whether the secret is there, and whether its key lets the validator's role use it",
                ends=True,
            )

    def watch_stream(self, validator: TokenValidator) -> None:
        """An alarm on lines that wait in the stream."""
        self._add(
            "StreamAge",
            _of_function(validator.function, "IteratorAge", "Maximum"),
            "Lines wait in the stream for more than ten minutes, and are given up after a day; the "
            "replay command can read them for seven. See whether the validator is throttled or "
            "failing: raise reserved_concurrency, or mend what its log group names",
            threshold=AGE_TOLERATED.to_milliseconds(),
            ends=True,
        )

    def watch_validator(self, validator: TokenValidator) -> None:
        """Alarms on the function that every line passes, and on the events in front of it."""
        function = validator.function
        self._add(
            "DeadLetters",
            validator.dead_letter_queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum"
            ),
            "Payloads were given up after a day, could not be read, or had an item that DynamoDB "
            "refused. They wait in the dead-letter queue for 14 days. Mend what the reason in each "
            "and the validator's log group name, and put them back with the replay command",
            ends=True,
        )
        self._add(
            "ValidatorErrors",
            function.metric_errors(),
            "The validator failed: it timed out, ran out of memory, or neither the session table "
            "nor the retry queue took its lines. Each payload comes again, so nothing is lost yet: "
            "read its log group for the error's code",
            ends=True,
        )
        self._add(
            "ValidatorThrottles",
            function.metric_throttles(),
            "The validator has been at its concurrency for 15 minutes, and lines wait. Raise "
            "reserved_concurrency, or the account's quota of concurrent executions",
            periods=3,
            ends=True,
        )
        self._add(
            "PayloadAge",
            _of_function(function, "AsyncEventAge", "Maximum"),
            "Lines reach the validator more than ten minutes late, and Lambda gives up after six "
            "hours. See whether it is throttled or failing: raise reserved_concurrency, or mend "
            "what its log group names",
            threshold=AGE_TOLERATED.to_milliseconds(),
            ends=True,
        )
        self._add(
            "DroppedPayloads",
            _of_function(function, "AsyncEventsDropped", "Sum"),
            "Lambda dropped subscription payloads after two retries or six hours. They are in the "
            "dead-letter queue: do what the alarm on dead letters says",
        )
        self._add(
            "FailedDestinationDeliveries",
            _of_function(function, "DestinationDeliveryFailures", "Sum"),
            "Lambda could not put a payload into the dead-letter queue: its lines are lost, unless "
            "they are still in the tracked log group. See whether the queue is there and whether "
            "the validator's role may send to it",
        )

    def watch_storing(self, validator: TokenValidator) -> None:
        """Alarms on lines that the session table does not take.

        The age of the oldest message says nothing here: SQS leaves messages out of it that were
        received more than three times (Amazon SQS Developer Guide, "Available CloudWatch metrics
        for Amazon SQS"). A message that waits for its next attempt is not visible.
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
            "Messages have been in the retry queue for a quarter of an hour: the session table "
            "does not take their lines, and after a day they become dead letters. The validator's "
            "log group says why: end the throttling, or give it back the table, the key, or the "
            "permission to write there",
            periods=3,
            ends=True,
        )
        self._add(
            "ThrottledWrites",
            validator.metric(names.THROTTLED_WRITES),
            "DynamoDB has throttled writes to the session table for a quarter of an hour. The "
            "lines wait in the retry queue. Raise session_table_write_limit or the account's quota "
            "for tables on demand; or find the token that many clients share, since one session "
            "takes 1,000 write units a second at most",
            periods=3,
            ends=True,
        )
        self._add(
            "UnusablePayloads",
            validator.metric(names.UNUSABLE_PAYLOADS),
            "The validator could not read a payload: it is not a subscription payload, or was cut "
            "or damaged on its way. It is in the dead-letter queue with its reason: find out what "
            "else invokes the validator, or writes to its stream or its retry queue",
        )
        if validator.publishes_error_events:
            self._add(
                "FailedErrorEvents",
                validator.metric(names.FAILED_ERROR_EVENTS),
                "The validator could not publish error events; it tries again for a day, and no "
                "line is lost: does the event bus exist, does its policy let the validator in, is "
                "its quota of PutEvents used up? The validator's log group says why",
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
        """Alarm where CloudWatch Logs fails to hand a log group's lines over, or is throttled.

        The first :data:`WATCHED_LOG_GROUPS` are watched, and no others.

        Nothing on the function's side tells of that. CloudWatch Logs User Guide, "Monitoring with
        CloudWatch metrics": both metrics have the dimensions LogGroupName, DestinationType and
        FilterName. The page does not give the values of DestinationType: ``Lambda`` was not
        verified against AWS.

        Args:
            log_group: whose lines are delivered.
            subscription_filter: that delivers them.
            destination_type: where to, as the dimension of that name has it.
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
        """Alarms on the answers that OpenReplay gets."""
        self._add(
            "BridgeFailures",
            bridge.metric(names.FAILED_QUESTIONS),
            "The bridge could not answer for a reason of its own. Its log group names it, most "
            "often that the secret with its key cannot be read",
            ends=True,
        )
        self._add(
            "BridgeTimedOutAnswers",
            bridge.metric(names.TIMED_OUT_ANSWERS),
            "DynamoDB was too slow for the bridge, throttled it, or refused its Query: nothing is "
            "shown beside these replays until they are opened again. The bridge's log group names "
            "the error: give it back the table, the key, or the permission to read there",
            ends=True,
        )
        self._add(
            "BridgeRefusedQuestions",
            bridge.metric(names.REFUSED_QUESTIONS),
            "Many requests without the right key, from other addresses, or that were no search: "
            "the dimension Reason says which. Tell OpenReplay the current key, or narrow "
            "allowed_source_ranges against who tries",
            threshold=REFUSALS_TOLERATED,
            ends=True,
        )

    def watch_rotation(self, rotation: KeyRotation) -> None:
        """Alarms on keys that OpenReplay needs."""
        self._add(
            "NewKeyUnused",
            rotation.metric(names.NEW_KEY_UNUSED),
            "A key was replaced, and the new one is not in use yet, or the old one still is: give "
            "OpenReplay the new one, before the old one is refused. The dimension Key says which",
            ends=True,
        )
        self._add(
            "RefusedRotations",
            rotation.metric(names.REFUSED_ROTATIONS),
            "A key was not replaced, since OpenReplay still uses the one before: give it the "
            "current one. Or a key made by hand takes the new one's place: delete that",
            ends=True,
        )
        self._add(
            "FailedRotations",
            rotation.metric(names.FAILED_ROTATIONS),
            "A step of a rotation did not work, which Secrets Manager repeats, or the current key "
            "was deleted or disabled by hand. The rotation's log group says which, and what to do",
            ends=True,
        )

    def watch_registrations(self, registrations: ProjectRegistrations) -> None:
        """An alarm on OpenReplay projects that could not be registered."""
        self._add(
            "FailedRegistrations",
            registrations.metric_failed(),
            "The key could not be registered with an OpenReplay project; it is tried again each "
            "hour. The log group of its function says why, such as a login that no longer works or "
            "an address that cannot be reached",
            ends=True,
        )

    def watch_functions(self, functions: Sequence[lambda_.IFunction]) -> None:
        """An alarm on errors of the other functions, ten to an alarm."""
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
                "rotation, or a registration. The dashboard says which, and its log group why",
                ends=True,
            )

    def _delivery_alarm(self) -> cloudwatch.CfnAlarm:
        number = len(self.on_delivery) + 1
        return cloudwatch.CfnAlarm(
            self._scope,
            f"UndeliveredLines{number if number > 1 else ''}",
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_description="CloudWatch Logs could not hand lines of a tracked log group to the "
            "validator, or was throttled. After an error it skips lines for up to ten minutes: run "
            "the check command, and put back the function's permission for logs.amazonaws.com. "
            "Throttled lines are tried again for a day: raise reserved_concurrency",
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
            name: its id.
            metric: a metric or an expression, with its period.
            description: what has happened and what to do.
            threshold: of the metric.
            periods: how many in a row.
            ends: whether the problem is over when the metric falls, so that the topic gets a
                message then. What was lost is not back after five quiet minutes.
        """
        alarm = cloudwatch.Alarm(
            self._scope,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(self._action)
        if ends:
            alarm.add_ok_action(self._action)
        self.by_name[name] = alarm
        self._arns.append(alarm.alarm_arn)


def _share_of_bad_tags(
    validator: TokenValidator, bad: Sequence[Verdict]
) -> cloudwatch.MathExpression:
    """Percent of the lines with one of these verdicts or a linkable tag; few of them are none."""
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
    """The rejected lines of an hour, or 0 if any line of it was linkable."""
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
    """Lambda Developer Guide, "Types of metrics for Lambda functions"; over five minutes."""
    return function.metric(name, statistic=statistic, period=cdk.Duration.minutes(5))


def _filter_name(subscription_filter: logs.SubscriptionFilter) -> str:
    """The filter's name, which CloudFormation generates.

    Ref of a resource whose identifier has two parts, as the filter's name and its log group's, may
    give both with ``|`` between them.
    """
    resource = subscription_filter.node.default_child
    assert isinstance(resource, logs.CfnSubscriptionFilter)  # noqa: S101
    return cdk.Fn.select(0, cdk.Fn.split("|", resource.ref))
