"""The options of the constructs, each defined once: name, type, default, meaning and check.

Each construct takes some of the groups below as keywords. The stack and the CDK context take all of
them. The table in ``docs/options.md`` is generated from this file, which is longer than others
because it holds every option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypedDict

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns

from openreplay_cw_stack.contract.limits import (
    ERROR_EVENT_INTERVAL_SECONDS,
    MIN_ROTATION_SECONDS,
    PREVIOUS_KEY_SECONDS,
    SESSION_LIFETIME_SECONDS,
    SETTLE_SECONDS,
)
from openreplay_cw_stack.infra.choices import Ingest, ServiceAccountAccess
from openreplay_cw_stack.infra.internal.option_addresses import ReplayUrl, SourceRange
from openreplay_cw_stack.infra.internal.option_checks import Option
from openreplay_cw_stack.infra.internal.option_fields import ListOfFields
from openreplay_cw_stack.infra.internal.option_kinds import (
    Choice,
    Flag,
    LengthOfTime,
    ListOf,
    Number,
    OrNone,
    Text,
)
from openreplay_cw_stack.infra.internal.option_resources import (
    DOMAIN_NAME,
    KEY,
    LOG_GROUP,
    LOG_GROUP_NAME,
    PROJECT,
    SECRET,
    TABLE,
    TOPIC,
    EventBus,
)
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.tagging.replay_url import EXAMPLE

FIRST_LOG_GROUP = "/openreplay/backend"
"""The log group that the app creates and tracks if the options name no log group."""

WHAT_IS_TRACKED = ("log_groups", "new_log_groups", "track_account", "source_accounts")
"""A stack needs at least one of these options."""

# CloudWatch Logs API reference, "PutRetentionPolicy".
_RETENTIONS = {
    "1": logs.RetentionDays.ONE_DAY,
    "3": logs.RetentionDays.THREE_DAYS,
    "5": logs.RetentionDays.FIVE_DAYS,
    "7": logs.RetentionDays.ONE_WEEK,
    "14": logs.RetentionDays.TWO_WEEKS,
    "30": logs.RetentionDays.ONE_MONTH,
    "60": logs.RetentionDays.TWO_MONTHS,
    "90": logs.RetentionDays.THREE_MONTHS,
    "120": logs.RetentionDays.FOUR_MONTHS,
    "150": logs.RetentionDays.FIVE_MONTHS,
    "180": logs.RetentionDays.SIX_MONTHS,
    "365": logs.RetentionDays.ONE_YEAR,
    "400": logs.RetentionDays.THIRTEEN_MONTHS,
    "545": logs.RetentionDays.EIGHTEEN_MONTHS,
    "731": logs.RetentionDays.TWO_YEARS,
    "1096": logs.RetentionDays.THREE_YEARS,
    "1827": logs.RetentionDays.FIVE_YEARS,
    "2192": logs.RetentionDays.SIX_YEARS,
    "2557": logs.RetentionDays.SEVEN_YEARS,
    "2922": logs.RetentionDays.EIGHT_YEARS,
    "3288": logs.RetentionDays.NINE_YEARS,
    "3653": logs.RetentionDays.TEN_YEARS,
    "infinite": logs.RetentionDays.INFINITE,
}
_REMOVAL_POLICIES = {"retain": cdk.RemovalPolicy.RETAIN, "destroy": cdk.RemovalPolicy.DESTROY}
_DEPLOYS_BOTH = ("bridge", "service_account")


class EncryptionOptions(TypedDict, total=False):
    """The options of every construct that stores data."""

    encryption_key: Annotated[
        kms.IKey | str | None,
        Option(
            OrNone(KEY),
            None,
            "The KMS key for the session table, log groups, secrets, queues and topic; the policy "
            "of an existing key must allow CloudWatch Logs and CloudWatch alarms",
            shown="AWS's own keys",
        ),
    ]


class RotationOptions(TypedDict, total=False):
    """The options of key rotation."""

    rotation: Annotated[
        cdk.Duration | None,
        Option(
            OrNone(LengthOfTime(MIN_ROTATION_SECONDS // 3600, 24_000, "30d", "hours")),
            None,
            "How often to rotate the bridge's API key and the service account's access key",
            needs=_DEPLOYS_BOTH,
        ),
    ]
    rotation_grace: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(1, 24_000, "7d", "hours"),
            cdk.Duration.seconds(PREVIOUS_KEY_SECONDS),
            "The longest time that the bridge accepts a rotated key, and that a disabled access "
            "key can be enabled again; must not exceed rotation",
            needs=("rotation",),
        ),
    ]


class SourceRangeOptions(TypedDict, total=False):
    """The options that limit the source of requests."""

    allowed_source_ranges: Annotated[
        Sequence[str],
        Option(
            ListOf(SourceRange()),
            (),
            "Address ranges in CIDR notation from which the bridge accepts requests and AWS "
            "accepts the service account's key",
            shown="all addresses",
            needs=_DEPLOYS_BOTH,
        ),
    ]


class ValidatorOptions(EncryptionOptions, total=False):
    """The options of the validator."""

    ingest: Annotated[
        Ingest | str,
        Option(
            Choice({one.value: one for one in Ingest}),
            Ingest.DIRECT,
            "How lines reach the validator: direct, or kinesis (through a stream, for volumes "
            "beyond Lambda's concurrency and for lines of other accounts)",
        ),
    ]
    source_accounts: Annotated[
        Sequence[str],
        Option(
            ListOf(Text("[0-9]{12}", "give the id of an account: twelve digits", tokens=True)),
            (),
            "With ingest=kinesis: ids of the other AWS accounts that can send lines",
        ),
    ]
    line_retention: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(1, 3653, "30d", "days"),
            cdk.Duration.days(30),
            "How long the session table keeps a linked line",
        ),
    ]
    token_secret: Annotated[
        secretsmanager.ISecret | str | None,
        Option(
            OrNone(SECRET),
            None,
            "A secret with the TOKEN_SECRET of a self-hosted OpenReplay, to check the signatures "
            "of session tokens",
        ),
    ]
    accept_unsigned_ids: Annotated[
        bool | None,
        Option(
            OrNone(Flag()),
            None,
            "Whether to link lines that have only a session id, which has no signature; none "
            "means true without token_secret, and false with it",
        ),
    ]
    replay_url: Annotated[
        str | None,
        Option(
            OrNone(ReplayUrl()),
            None,
            f"The address of a replay, for links to it: {EXAMPLE}",
            shown="the address of the project in openreplay_projects, if it has exactly one",
        ),
    ]
    error_events: Annotated[
        events.IEventBus | str | bool | None,
        Option(
            EventBus(),
            None,
            "An EventBridge bus that receives an event for each session with an error line; true "
            "means the account's default bus",
        ),
    ]
    error_event_interval: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(0, 86_400, "5m"),
            cdk.Duration.seconds(ERROR_EVENT_INTERVAL_SECONDS),
            "The shortest time between two events about the same session",
            needs=("error_events",),
        ),
    ]
    reserved_concurrency: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            10,
            "How many payloads the validator judges at once; none reserves no concurrency, as an "
            "account with the initial quota of 10 requires",
        ),
    ]
    detailed_metrics: Annotated[
        bool,
        Option(
            Flag(),
            False,
            "Whether to publish the number of lines for each pair of log group and verdict (0.30 "
            "dollars a month for each pair)",
        ),
    ]


class ServiceAccountOptions(EncryptionOptions, RotationOptions, SourceRangeOptions, total=False):
    """The options of the service account."""

    service_account_access: Annotated[
        ServiceAccountAccess | str,
        Option(
            Choice({one.value: one for one in ServiceAccountAccess}),
            ServiceAccountAccess.SCOPED,
            "The permissions of the service account's key: scoped, scoped_and_describe or "
            "cloud_watch_read_only",
            needs=("service_account",),
        ),
    ]
    service_account_log_groups: Annotated[
        Sequence[logs.ILogGroup | str],
        Option(
            ListOf(LOG_GROUP),
            (),
            "The log groups that the service account's key can read; required with track_account, "
            "and if the tracked log groups do not fit into one policy",
            shown="the tracked log groups",
        ),
    ]
    user_name: Annotated[
        str | None,
        Option(
            OrNone(
                Text(
                    r"[A-Za-z0-9+=,.@_-]{1,64}",
                    "give 1 to 64 letters, digits and the characters + = , . @ - _",
                    tokens=True,
                )
            ),
            None,
            "The name of the service account's IAM user, unique in the AWS account; none "
            "generates one",
            shown="openreplay_cw; in a construct, a generated name",
            needs=("service_account",),
        ),
    ]
    key_serial: Annotated[
        int,
        Option(
            Number(1),
            1,
            "Raise this number to replace the service account's access key; not with rotation",
            needs=("service_account",),
        ),
    ]


class BridgeOptions(EncryptionOptions, RotationOptions, SourceRangeOptions, total=False):
    """The options of the bridge."""

    bridge_domain_name: Annotated[
        apigatewayv2.IDomainName | None,
        Option(
            OrNone(DOMAIN_NAME),
            None,
            "A custom domain name for the bridge",
            shown="a domain name of API Gateway",
            needs=("bridge",),
            in_context=False,
        ),
    ]
    bridge_reserved_concurrency: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            25,
            "How many requests the bridge answers at once; none sets no limit, as an account with "
            "the initial quota of 10 requires",
            needs=("bridge",),
        ),
    ]
    settle: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(0, 3600, "3m"),
            cdk.Duration.seconds(SETTLE_SECONDS),
            "The time after a session's last line before the bridge returns its lines; OpenReplay "
            "keeps the first response that has lines",
            needs=("bridge",),
        ),
    ]
    session_lifetime: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(60, 30 * 86_400, "2h"),
            cdk.Duration.seconds(SESSION_LIFETIME_SECONDS),
            "The longest duration of a session: the value of OpenReplay's MAX_SESSION_DURATION",
            needs=("bridge",),
        ),
    ]
    hold_until_over: Annotated[
        bool,
        Option(
            Flag(),
            False,
            "Whether the bridge returns no lines while the session may still be running",
            needs=("bridge",),
        ),
    ]
    show_log_group: Annotated[
        bool,
        Option(
            Flag(),
            True,
            "Whether each message beside a replay begins with the name of its log group",
            needs=("bridge",),
        ),
    ]


class MonitoringOptions(EncryptionOptions, total=False):
    """The options of the alarms and the dashboard."""

    alarm_topic: Annotated[
        sns.ITopic | str | None,
        Option(OrNone(TOPIC), None, "The SNS topic that alarms notify", shown="a new topic"),
    ]
    dashboard: Annotated[bool, Option(Flag(), True, "Whether to create a CloudWatch dashboard")]


class TrackingOptions(TypedDict, total=False):
    """The options of the tracked log groups and of the session table."""

    new_log_groups: Annotated[
        Sequence[str],
        Option(
            ListOf(LOG_GROUP_NAME),
            (),
            "Names of log groups to create and track",
            shown=f"{FIRST_LOG_GROUP} if no option names a log group",
        ),
    ]
    log_groups: Annotated[
        Sequence[logs.ILogGroup | str],
        Option(ListOf(LOG_GROUP), (), "Existing log groups to track"),
    ]
    track_account: Annotated[
        bool,
        Option(
            Flag(),
            False,
            "Whether to track every log group of the account and region with one account-level "
            "subscription, instead of log_groups and new_log_groups; CloudWatch Logs allows one "
            "such subscription per account and region",
        ),
    ]
    excluded_log_groups: Annotated[
        Sequence[str],
        Option(ListOf(LOG_GROUP_NAME), (), "With track_account: names of log groups to skip"),
    ]
    session_table: Annotated[
        dynamodb.ITable | str | None,
        Option(
            OrNone(TABLE),
            None,
            "An existing session table, which can be in another region or account",
            shown="a new table",
        ),
    ]
    session_table_write_limit: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            None,
            "The most write units per second of the new session table, to limit its cost",
        ),
    ]
    log_retention: Annotated[
        logs.RetentionDays | str,
        Option(
            Choice(_RETENTIONS),
            logs.RetentionDays.ONE_MONTH,
            "How many days the log groups of new_log_groups keep their lines",
            needs=("new_log_groups",),
        ),
    ]
    removal_policy: Annotated[
        cdk.RemovalPolicy | str,
        Option(
            Choice(_REMOVAL_POLICIES),
            cdk.RemovalPolicy.RETAIN,
            "Whether to retain or destroy the session table and the created log groups when the "
            "stack is deleted",
        ),
    ]


class PartOptions(TypedDict, total=False):
    """The options that add or leave out a part."""

    service_account: Annotated[
        bool,
        Option(
            Flag(),
            True,
            "Whether to create the IAM user for OpenReplay up to v1.20; later versions do not use "
            "it",
        ),
    ]
    bridge: Annotated[
        bool,
        Option(
            Flag(), True, "Whether to create the search endpoint for OpenReplay v1.21 and later"
        ),
    ]
    openreplay_projects: Annotated[
        Sequence[OpenReplayProject | Mapping[str, object]],
        Option(
            ListOfFields(PROJECT),
            (),
            "The OpenReplay projects to register the bridge with: a list of "
            '{"url": …, "project_id": …, "login_secret": ARN}',
        ),
    ]


class OpenReplayCloudWatchOptions(
    TrackingOptions,
    ValidatorOptions,
    PartOptions,
    ServiceAccountOptions,
    BridgeOptions,
    MonitoringOptions,
    total=False,
):
    """The options of :class:`OpenReplayCloudWatch` and its stack."""
