"""Tracked lines through Kinesis Data Streams: beyond Lambda's concurrency, and other accounts'."""

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
"""How long the stream keeps a payload, also one that was given up: the replay command reads it."""
MAXIMUM_AGE = cdk.Duration.seconds(RETRY_SECONDS)
"""How long a payload is tried again, as with a message of the retry queue."""
BATCH_SIZE = 100
PARALLELIZATION_FACTOR = 2
"""Batches of a shard at a time: with the four shards that an on-demand stream begins with, 8."""


class IngestStream(Construct):
    """A stream between CloudWatch Logs and the validator.

    Attributes:
        stream: on-demand; it holds for seven days what it was given.
        role: CloudWatch Logs assumes it to write to the stream.
        policy: what the role may do; whatever names the role must be made after it.
        destination: what other accounts subscribe their log groups to; None where none may.
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
        # Loaded here, since the default stack has no stream.
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
            # Whatever it holds is in the tracked log groups.
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        if encryption_key is not None:
            asked_for = (
                "encryption_key= asks for a customer managed key in the place of the account's key "
                "for Kinesis, whose requests cost nothing"
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
        """What a subscription filter of this account names."""
        # The role is complete as it is.
        return destinations.KinesisDestination(self.stream, role=self.role.without_policy_updates())

    def statement(self) -> iam.PolicyStatement:
        """What the function that reads the stream has to be allowed, besides the use of its key.

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
        """Have a function read the stream.

        What cannot be taken for a day is given up: the queue gets the numbers of the records, and
        the stream has them for the rest of its retention. There is no limit to the number of
        tries, which would be used up in the first minutes in which DynamoDB takes nothing.
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
            # PutDestination tries the role at once, and fails while IAM does not know it yet
            # everywhere; CloudFormation does not try again. By now some time has passed.
            self.destination.node.add_dependency(mapping)
        return mapping

    def _role(self, source_accounts: Sequence[str]) -> iam.Role:
        """AWS documentation, "Cross-account subscriptions": whose log groups may use the role."""
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
    """Kinesis developer guide, "Permissions to use user-generated KMS keys"."""
    if encryption_key is None:
        return []
    return [
        iam.PolicyStatement(
            sid="EncryptPayloads",
            actions=["kms:GenerateDataKey"],
            resources=[encryption_key.key_arn],
        )
    ]
