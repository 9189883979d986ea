"""The dashboard and the alarms. The engine is CloudWatch's own; nothing here costs per line."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from openreplay_cw_stack.infra.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.encryption import let_alarms_use
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging import metrics as names

REFUSALS_TOLERATED = 20
"""Refused questions in five minutes: a person who mistypes a key is below this."""


class Monitoring(Construct):
    """Alarms on what needs a person, and a dashboard of what became of the lines.

    Attributes:
        topic: where the alarms go.
        alarms: by what they watch.
        dashboard: None where it was switched off.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        validator: TokenValidator,
        checks_signatures: bool,
        bridge: SessionSearchBridge | None = None,
        rotation: KeyRotation | None = None,
        registrations: ProjectRegistrations | None = None,
        topic: sns.ITopic | None = None,
        dashboard: bool = True,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Watch a validator.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            validator: what is watched.
            checks_signatures: whether it has a token secret to read.
            bridge: what is watched as well, as are the next two.
            rotation: see there.
            registrations: see there.
            topic: where the alarms go; default: a topic of our own, for you to subscribe to.
            dashboard: whether to make one.
            encryption_key: encrypts our own topic.
        """
        super().__init__(scope, construct_id)
        self._validator = validator
        self._bridge = bridge
        self.topic: sns.ITopic = topic or self._own_topic(encryption_key)
        self.alarms: dict[str, cloudwatch.Alarm] = {}
        self._add_alarms(checks_signatures)
        self._add_redelivery_alarms()
        if bridge is not None:
            self._add_bridge_alarms(bridge)
        if rotation is not None:
            self._add_rotation_alarms(rotation)
        if registrations is not None:
            self._alarm(
                "FailedRegistrations",
                registrations.metric_failed(),
                "An OpenReplay project could not be told the key; it is tried again each hour. The "
                "log group of its function says why",
            )
        self.dashboard = self._dashboard() if dashboard else None

    def _own_topic(self, encryption_key: kms.IKey | None) -> sns.Topic:
        topic = sns.Topic(self, "AlarmTopic", master_key=encryption_key, enforce_ssl=True)
        # A topic with a policy of its own loses the default one, which lets alarms publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LetAlarmsOfThisAccountPublish",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )
        if encryption_key is not None:
            let_alarms_use(encryption_key)
        else:
            reason = (
                "An alarm's name and state are all that is published; encryption_key= encrypts "
                "the topic with a customer managed key"
            )
            acknowledge(topic, in_packs("SNSEncryptedKMS", reason))
        return topic

    def _add_alarms(self, checks_signatures: bool) -> None:
        validator = self._validator
        self._alarm(
            "DeadLetters",
            validator.dead_letter_queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum"
            ),
            "Payloads or parked lines were given up on; they wait in the dead-letter queue. See "
            "Troubleshooting in the README of openreplay-cw-stack",
        )
        self._alarm(
            "ValidatorErrors",
            validator.function.metric_errors(),
            "The validator failed; Lambda repeats a payload twice. Its log group says why",
        )
        self._alarm(
            "DroppedLines",
            validator.metric(names.DROPPED_LINES),
            "Linkable lines were lost; the dimension Reason of DroppedLines says why",
        )
        if checks_signatures:
            self._alarm(
                "UncheckedSignatures",
                validator.metric(names.UNCHECKED_SIGNATURES),
                "The token secret cannot be read: lines are linked without a signature check",
            )

    def _add_redelivery_alarms(self) -> None:
        """Lines that have waited for a quarter of an hour, and a redelivery that fails.

        The age of the oldest message says nothing here: SQS leaves messages out of it that were
        received more than three times (Amazon SQS Developer Guide, "Available CloudWatch metrics
        for Amazon SQS"). A message that waits for its next attempt is not visible.
        """
        redelivery = self._validator.redelivery
        waiting = {
            "visible": redelivery.queue.metric_approximate_number_of_messages_visible(),
            "hidden": redelivery.queue.metric_approximate_number_of_messages_not_visible(),
        }
        self._alarm(
            "ParkedLines",
            cloudwatch.MathExpression(
                expression="visible + hidden",
                using_metrics={
                    name: metric.with_(statistic="Minimum") for name, metric in waiting.items()
                },
                label="Messages of parked lines",
            ),
            "CloudWatch Logs has not taken parked lines for a quarter of an hour; the redelivery's "
            "log group says why. They wait for a day",
            periods=3,
        )
        self._alarm(
            "RedeliveryErrors",
            redelivery.function.metric_errors(),
            "The redelivery of parked lines failed; its log group says why. They wait in their "
            "queue",
        )

    def _add_bridge_alarms(self, bridge: SessionSearchBridge) -> None:
        self._alarm(
            "BridgeFailures",
            bridge.metric(names.FAILED_QUESTIONS),
            "The bridge could not answer for a reason of its own; its log group names it",
        )
        self._alarm(
            "BridgeTimedOutAnswers",
            bridge.metric(names.TIMED_OUT_ANSWERS),
            "CloudWatch Logs was too slow for the bridge, or throttled it: nothing is shown beside "
            "these replays until they are opened again",
        )
        self._alarm(
            "BridgeRefusedQuestions",
            bridge.metric(names.REFUSED_QUESTIONS),
            "Many requests without the right key, or from other addresses: somebody tries, or "
            "OpenReplay has an old key. The dimension Reason says which",
            threshold=REFUSALS_TOLERATED,
        )

    def _add_rotation_alarms(self, rotation: KeyRotation) -> None:
        self._alarm(
            "KeysNotTakenUp",
            rotation.metric(names.KEYS_NOT_TAKEN_UP),
            "A key was replaced and nobody has used the new one yet: tell OpenReplay, before the "
            "old one is refused. The dimension Key says which",
        )
        self._alarm(
            "RefusedRotations",
            rotation.metric(names.REFUSED_ROTATIONS),
            "A key was not replaced, since OpenReplay still has the one before: tell it the "
            "current one",
        )
        self._alarm(
            "FailedRotations",
            rotation.metric(names.FAILED_ROTATIONS),
            "A step of a rotation did not work; Secrets Manager repeats it. The rotation's log "
            "group says why",
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        threshold: int = 0,
        periods: int = 1,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(cloudwatch_actions.SnsAction(self.topic))
        self.alarms[name] = alarm

    def _dashboard(self) -> cloudwatch.Dashboard:
        validator = self._validator
        dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.hours(24))
        dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Lines by verdict",
                left=[validator.metric_lines(verdict) for verdict in Verdict],
                stacked=True,
                width=16,
            ),
            cloudwatch.SingleValueWidget(
                title="In this time",
                metrics=[validator.metric_lines(verdict) for verdict in Verdict],
                set_period_to_time_range=True,
                width=8,
            ),
        )
        dashboard.add_widgets(
            self._by_group("Linked lines by tracked log group", names.LINKED_LINES),
            self._by_group("Rejected lines by tracked log group", names.REJECTED_LINES),
        )
        dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Lost or waiting",
                left=[
                    validator.metric(names.DROPPED_LINES, label="Dropped lines"),
                    validator.dead_letter_queue.metric_approximate_number_of_messages_visible(
                        statistic="Maximum", label="Payloads in the dead-letter queue"
                    ),
                ],
                width=8,
            ),
            cloudwatch.GraphWidget(
                title="Validator",
                left=[
                    validator.function.metric_invocations(label="Invocations"),
                    validator.function.metric_errors(label="Errors"),
                    validator.function.metric_throttles(label="Throttles"),
                ],
                right=[validator.function.metric_duration(statistic="p95", label="Duration p95")],
                width=8,
            ),
            cloudwatch.AlarmStatusWidget(
                title="Alarms", alarms=list(self.alarms.values()), width=8
            ),
        )
        if self._bridge is not None:
            dashboard.add_widgets(*_bridge_widgets(self._bridge))
        return dashboard

    def _by_group(self, title: str, metric_name: str) -> cloudwatch.GraphWidget:
        # A search follows log groups that are tracked later, on another deployment.
        schema = f"{{{names.NAMESPACE},{names.DEPLOYMENT},{names.LOG_GROUP}}}"
        query = (
            f'{schema} MetricName="{metric_name}" {names.DEPLOYMENT}="{self._validator.deployment}"'
        )
        return cloudwatch.GraphWidget(
            title=title,
            left=[
                cloudwatch.MathExpression(
                    expression=f"SEARCH('{query}', 'Sum')",
                    using_metrics={},
                    label=f"${{PROP('Dim.{names.LOG_GROUP}')}}",
                )
            ],
            width=12,
        )


def _bridge_widgets(bridge: SessionSearchBridge) -> list[cloudwatch.IWidget]:
    outcomes = {
        names.ANSWERS: "Answered with lines",
        names.EMPTY_ANSWERS: "No line",
        names.UNSETTLED_ANSWERS: "Held back",
        names.TIMED_OUT_ANSWERS: "Timed out",
        names.REFUSED_QUESTIONS: "Refused",
        names.FAILED_QUESTIONS: "Failed",
    }
    return [
        cloudwatch.GraphWidget(
            title="Bridge: what became of OpenReplay's questions",
            left=[bridge.metric(name, label=label) for name, label in outcomes.items()],
            stacked=True,
            width=12,
        ),
        cloudwatch.GraphWidget(
            title="Bridge: hits, and the time an answer takes",
            left=[bridge.metric(names.HITS, label="Hits")],
            right=[
                bridge.metric(names.ANSWER_TIME, statistic=statistic, label=f"{statistic}, ms")
                for statistic in ("p50", "p95")
            ],
            width=12,
        ),
    ]
