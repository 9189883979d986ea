"""The bridge: the search endpoint for OpenReplay's Elasticsearch integration.

``backend/pkg/integrations/clients/elastic.go`` at the tags v1.21 to v1.27 shows the requests that
OpenReplay sends. Its form has a URL, an API key id and an API key.
"""

from __future__ import annotations

import json
from ipaddress import ip_network

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from typing_extensions import Unpack

from openreplay_cw_stack.contract.limits import DEADLINE_SECONDS, KEY_REFRESH_SECONDS
from openreplay_cw_stack.infra.internal.acknowledgements import (
    acknowledge,
    acknowledge_default_secret_encryption,
    in_packs,
)
from openreplay_cw_stack.infra.internal.lambda_function import (
    lambda_function,
    own_log_group,
    whole_seconds,
)
from openreplay_cw_stack.infra.internal.option_checks import check_options
from openreplay_cw_stack.infra.internal.search_http_api import search_http_api
from openreplay_cw_stack.infra.observability.metrics import deployment_metric, deployment_name
from openreplay_cw_stack.infra.options import BridgeOptions
from openreplay_cw_stack.infra.session_table import statements_to_read
from openreplay_cw_stack.runtime.bridge.settings import Settings

_MEGABYTES = 512
_DEADLINE = cdk.Duration.seconds(DEADLINE_SECONDS)
"""The timeout of one request. OpenReplay gives up after 60 seconds, including retries."""
_REQUESTS_A_SECOND, _REQUESTS_AT_ONCE = 10, 30
# A page that starts before the deadline takes at most 12 seconds, and API Gateway waits for 30.
_BEYOND_DEADLINE = cdk.Duration.seconds(19)
_PROTECTED = (
    "OpenReplay must reach it from outside this account. Every request needs the API key, which "
    "only the secret holds and which is compared in constant time. Malformed requests cause no AWS "
    "call. allowed_source_ranges refuses other addresses first. Concurrency is limited. The "
    "function can only query one table, read its key and read the length of one queue"
)


class SessionSearchBridge(Construct):
    """Answers OpenReplay's Elasticsearch integration from the session table.

    Attributes:
        function: the Lambda function.
        log_group: the function's own log group. It never holds a line, a session or a key.
        secret: a JSON object with ``api_key_id`` and ``api_key``, for OpenReplay's form.
        api: the HTTP API in front of the function.
        url: the URL for OpenReplay's form.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        session_table: dynamodb.ITable,
        retry_queue: sqs.IQueue,
        deployment: str | None = None,
        **options: Unpack[BridgeOptions],
    ) -> None:
        """Create the function, its key and its endpoint.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            session_table: holds the linked lines. It can be in another region or account.
            retry_queue: holds the log events that the validator could not store yet. The bridge
                checks whether it is empty.
            deployment: the value of the metric dimension ``Deployment``; default: generated.
            options: see :class:`BridgeOptions`.

        Raises:
            InvalidOptions: an option is wrong. This is a ValueError.
        """
        checked = check_options(BridgeOptions, options)
        super().__init__(scope, construct_id)
        values = checked.resolve(self)
        encryption_key: kms.IKey | None = values.encryption_key
        self.deployment = deployment or deployment_name(self)
        self.log_group = own_log_group(self, encryption_key)
        self.secret = self._secret(encryption_key)
        self.function = lambda_function(
            self,
            package="bridge",
            description="Answers OpenReplay's Elasticsearch integration from the session table",
            log_group=self.log_group,
            statements=self._statements(session_table, retry_queue, encryption_key),
            memory_size=_MEGABYTES,
            timeout=_DEADLINE.plus(_BEYOND_DEADLINE),
            concurrency=values.bridge_reserved_concurrency,
            no_network="It calls the public endpoints of DynamoDB, SQS and Secrets Manager with "
            "TLS and signed requests, and reaches nothing in a VPC",
            environment=Settings(
                deployment=self.deployment,
                session_table_arn=session_table.table_arn,
                retry_queue_url=retry_queue.queue_url,
                api_key_secret_arn=self.secret.secret_arn,
                allowed_source_ranges=tuple(map(ip_network, values.allowed_source_ranges)),
                settle_ms=1000 * whole_seconds(values.settle),
                session_lifetime_ms=1000 * whole_seconds(values.session_lifetime),
                hold_until_over=values.hold_until_over,
                show_log_group=values.show_log_group,
                deadline_seconds=DEADLINE_SECONDS,
                previous_key_seconds=whole_seconds(values.rotation_grace),
                key_refresh_seconds=KEY_REFRESH_SECONDS,
            ).to_environment(),
        )
        self.api: apigatewayv2.HttpApi
        self.api, self.url = search_http_api(
            self,
            self.function,
            domain_name=values.bridge_domain_name,
            rate_limit=_REQUESTS_A_SECOND,
            burst_limit=_REQUESTS_AT_ONCE,
            open_because=_PROTECTED,
            encryption_key=encryption_key,
        )
        self._acknowledge(encryption_key is not None, values.rotation is not None)

    def metric(
        self,
        metric_name: str,
        *,
        statistic: str = "Sum",
        period: cdk.Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return a metric of the bridge, over five minutes by default."""
        return deployment_metric(
            self.deployment,
            metric_name,
            statistic=statistic,
            period=period,
            label=label,
            color=color,
        )

    def grant_read_api_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to read the API key from its secret."""
        return self.secret.grant_read(grantee)

    def _secret(self, encryption_key: kms.IKey | None) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            "ApiKey",
            description="The API key of OpenReplay's Elasticsearch integration",
            encryption_key=encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"api_key_id": "openreplay"}),
                generate_string_key="api_key",
                password_length=48,
                exclude_punctuation=True,
            ),
        )

    def _statements(
        self,
        session_table: dynamodb.ITable,
        retry_queue: sqs.IQueue,
        encryption_key: kms.IKey | None,
    ) -> list[iam.PolicyStatement]:
        statements = [
            *statements_to_read(session_table),
            iam.PolicyStatement(
                sid="SeeWhetherLinesWait",
                actions=["sqs:GetQueueAttributes"],
                resources=[retry_queue.queue_arn],
            ),
            iam.PolicyStatement(
                sid="ReadTheApiKey",
                actions=["secretsmanager:GetSecretValue"],
                resources=[self.secret.secret_arn],
            ),
        ]
        if encryption_key is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="UseTheKey", actions=["kms:Decrypt"], resources=[encryption_key.key_arn]
                )
            )
        return statements

    def _acknowledge(self, has_own_key: bool, rotated: bool) -> None:
        if not has_own_key:
            acknowledge_default_secret_encryption(self.secret)
        if not rotated:
            self._acknowledge_not_rotated()
        is_asked = (
            "HTTP requests invoke it, and their sender sees a failure at once; there is no event "
            "that a dead-letter queue could keep"
        )
        packs = ["Serverless", "HIPAA", "NIST"]
        acknowledge(self.function, in_packs("LambdaDLQ", is_asked, packs))

    def _acknowledge_not_rotated(self) -> None:
        not_rotated = (
            "OpenReplay stores this key in its own database and needs each new key: an unannounced "
            "rotation would lock it out. rotation= rotates the key, with time to update OpenReplay"
        )
        acknowledge(
            self.secret,
            {
                **in_packs("SMG4", not_rotated, ["AwsSolutions"]),
                **in_packs("SecretsManagerRotationEnabled", not_rotated, ["HIPAA", "NIST"]),
            },
        )
