"""Monitoring of a deployment: alarms, the topic that they notify, and the dashboard.

CloudWatch evaluates everything; nothing here costs per line.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct
from typing_extensions import Unpack

from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs
from openreplay_cw_stack.infra.internal.encryption import grant_to_alarms
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.observability.alarms import Alarms
from openreplay_cw_stack.infra.observability.dashboard import create_dashboard
from openreplay_cw_stack.infra.observability.saved_query import save_query_with_links
from openreplay_cw_stack.infra.options import MonitoringOptions
from openreplay_cw_stack.infra.project_registrations import ProjectRegistrations
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.token_validator import TokenValidator


class Monitoring(Construct):
    """Alarms on problems that need action, and a dashboard.

    Attributes:
        topic: the topic that the alarms notify.
        dashboard: the dashboard; None if ``dashboard`` is False.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        validator: TokenValidator,
        checks_signatures: bool,
        session_table: dynamodb.ITable | None = None,
        bridge: SessionSearchBridge | None = None,
        rotation: KeyRotation | None = None,
        registrations: ProjectRegistrations | None = None,
        **options: Unpack[MonitoringOptions],
    ) -> None:
        """Watch a validator.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            validator: the validator to watch.
            checks_signatures: whether the validator has a token secret.
            session_table: the table whose consumption the dashboard shows; None for a table of
                another stack.
            bridge: the bridge to watch, if there is one.
            rotation: the rotation to watch, if there is one.
            registrations: the registrations to watch, if there are any.
            options: see :class:`MonitoringOptions`.
        """
        checked = check_options(MonitoringOptions, options)
        super().__init__(scope, construct_id)
        values = checked.resolve(self)
        self.topic: sns.ITopic = values.alarm_topic or self._own_topic(values.encryption_key)
        self._alarms = Alarms(self, self.topic)
        self._destination_type = "Lambda" if validator.ingest is None else "Kinesis"
        self._alarms.watch_lines(validator, checks_signatures=checks_signatures)
        self._alarms.watch_validator(validator)
        self._alarms.watch_storing(validator)
        if validator.ingest is not None:
            self._alarms.watch_stream(validator)
        functions: list[lambda_.IFunction] = []
        if bridge is not None:
            self._alarms.watch_bridge(bridge)
            functions.append(bridge.function)
        if rotation is not None:
            self._alarms.watch_rotation(rotation)
            functions.append(rotation.function)
        if registrations is not None:
            self._alarms.watch_registrations(registrations)
            functions += registrations.every_function
        self._alarms.watch_functions(functions)
        if validator.replay_url is not None:
            save_query_with_links(self, validator)
        self.dashboard: cloudwatch.Dashboard | None = None
        if values.dashboard:
            self.dashboard = create_dashboard(
                self,
                alarms=self._alarms,
                validator=validator,
                session_table=session_table,
                checks_signatures=checks_signatures,
                bridge=bridge,
                rotation=rotation,
                functions=functions,
            )

    @property
    def alarms(self) -> dict[str, cloudwatch.Alarm]:
        """The alarms by name, except those on the delivery from log groups."""
        return dict(self._alarms.by_name)

    def watch_delivery(
        self, log_group: logs.ILogGroup, subscription_filter: logs.SubscriptionFilter
    ) -> None:
        """Watch whether CloudWatch Logs can deliver the lines of a tracked log group."""
        self._alarms.watch_delivery(
            log_group, subscription_filter, destination_type=self._destination_type
        )

    def _own_topic(self, encryption_key: kms.IKey | None) -> sns.Topic:
        topic = sns.Topic(self, "AlarmTopic", master_key=encryption_key, enforce_ssl=True)
        # A topic with its own policy loses the default policy, which allows alarms to publish.
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
            grant_to_alarms(encryption_key)
        else:
            reason = (
                "Alarms publish only their name, description and state; encryption_key= encrypts "
                "the topic with a customer managed key"
            )
            acknowledge(topic, in_packs("SNSEncryptedKMS", reason))
        return topic
