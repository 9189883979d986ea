"""Delivery through Kinesis Data Streams, for large volumes and for lines of other accounts."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from openreplay_cw_stack.contract.limits import RETRY_SECONDS
from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs

RETENTION = cdk.Duration.days(7)
"""How long the stream keeps a payload. The replay command can read it even after Lambda gave up."""
MAXIMUM_AGE = cdk.Duration.seconds(RETRY_SECONDS)
"""How long Lambda retries a payload: as long as a message stays in the retry queue."""
BATCH_SIZE = 100
PARALLELIZATION_FACTOR = 2
"""Simultaneous batches per shard. An on-demand stream starts with four shards."""


class IngestStream(Construct):
    """A stream between CloudWatch Logs and the validator.

    Attributes:
        stream: an on-demand stream, which keeps records for seven days.
        role: the role that CloudWatch Logs assumes to write to the stream.
        policy: the role's policy. Resources that name the role must depend on it.
        destination: the log destination for subscriptions of other accounts; None without other
            accounts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source_accounts: Sequence[str] = (),
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create the stream, and the destination for other accounts.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            source_accounts: ids of the other accounts that may send their lines.
            encryption_key: encrypts the stream; default: the account's key for Kinesis.
        """
        # Imported lazily: the default stack has no stream.
        from aws_cdk import aws_kinesis as kinesis

        super().__init__(scope, construct_id)
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            retention_period=RETENTION,
            encryption=kinesis.StreamEncryption.KMS
            if encryption_key
            else kinesis.StreamEncryption.MANAGED,
            encryption_key=encryption_key,
            # The tracked log groups have all its lines.
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        if encryption_key is not None:
            asked_for = (
                "The account's key for Kinesis encrypts the stream, and its requests are free; "
                "encryption_key= sets a customer managed key"
            )
            acknowledge(self.stream, in_packs("KDS3", asked_for, ["AwsSolutions"]))
        self.role = self._role(source_accounts)
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    sid="PutPayloads",
                    actions=["kinesis:PutRecord"],
                    resources=[self.stream.stream_arn],
                ),
                *_use_of(encryption_key),
            ],
        )
        self.destination: logs.CfnDestination | None = None
        if source_accounts:
            self.destination = self._destination(source_accounts)
            self.destination.node.add_dependency(self.policy)

    def filter_destination(self) -> logs.ILogSubscriptionDestination:
        """Return the destination for subscription filters of this account."""
        # The role needs no further permissions.
        return destinations.KinesisDestination(self.stream, role=self.role.without_policy_updates())

    def statement(self) -> iam.PolicyStatement:
        """Return the permissions of the function that reads the stream, except those on its key.

        AWS documentation, "Configuring Lambda execution role permissions for Kinesis".
        """
        return iam.PolicyStatement(
            sid="ReadTheStream",
            actions=[
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            resources=[self.stream.stream_arn],
        )

    def feed(
        self, function: lambda_.Function, dead_letter_queue: sqs.IQueue
    ) -> lambda_.EventSourceMapping:
        """Connect a function to the stream.

        Lambda retries a record for a day, then sends its sequence number to the queue. The stream
        keeps the record for the rest of its retention. The number of retries is not limited: a
        limit would be reached within the first minutes of an outage of DynamoDB.
        """
        from aws_cdk import aws_lambda_event_sources as event_sources

        mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=function,
            event_source_arn=self.stream.stream_arn,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            batch_size=BATCH_SIZE,
            max_batching_window=cdk.Duration.seconds(2),
            parallelization_factor=PARALLELIZATION_FACTOR,
            max_record_age=MAXIMUM_AGE,
            report_batch_item_failures=True,
            bisect_batch_on_error=True,
            on_failure=event_sources.SqsDlq(dead_letter_queue),
        )
        if self.destination is not None:
            # PutDestination uses the role at once, and fails until IAM has propagated it.
            # CloudFormation does not retry. This dependency delays the destination.
            self.destination.node.add_dependency(mapping)
        return mapping

    def _role(self, source_accounts: Sequence[str]) -> iam.Role:
        """Create the role; its trust policy names the accounts whose log groups can use it.

        AWS documentation, "Cross-account subscriptions".
        """
        stack = cdk.Stack.of(self)
        log_groups = [
            stack.format_arn(
                service="logs",
                account=account,
                resource="*",
                arn_format=cdk.ArnFormat.NO_RESOURCE_NAME,
            )
            for account in (stack.account, *source_accounts)
        ]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "logs.amazonaws.com",
                conditions={"StringLike": {"aws:SourceArn": log_groups}},
            ),
            description="CloudWatch Logs writes tracked lines to the stream of openreplay-cw-stack",
        )

    def _destination(self, source_accounts: Sequence[str]) -> logs.CfnDestination:
        stack = cdk.Stack.of(self)
        name = cdk.Names.unique_resource_name(self, max_length=256, separator="-")
        arn = stack.format_arn(
            service="logs",
            resource="destination",
            resource_name=name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return logs.CfnDestination(
            self,
            "Destination",
            destination_name=name,
            role_arn=self.role.role_arn,
            target_arn=self.stream.stream_arn,
            destination_policy=stack.to_json_string(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "SubscribeLogGroups",
                            "Effect": "Allow",
                            "Principal": {"AWS": list(source_accounts)},
                            "Action": ["logs:PutSubscriptionFilter", "logs:PutAccountPolicy"],
                            "Resource": arn,
                        }
                    ],
                }
            ),
        )


def _use_of(encryption_key: kms.IKey | None) -> list[iam.PolicyStatement]:
    """Return the permissions to use the stream's key.

    Kinesis developer guide, "Permissions to use user-generated KMS keys".
    """
    if encryption_key is None:
        return []
    return [
        iam.PolicyStatement(
            sid="EncryptPayloads",
            actions=["kms:GenerateDataKey"],
            resources=[encryption_key.key_arn],
        )
    ]
