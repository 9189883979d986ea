"""The options of the constructs, each defined once: name, type, default, meaning and check.

The constructs take the groups below as keywords, and the stack and the CDK context take all of
them. The README's table is written from here. This file is longer than others because every option
is in it.
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
"""The log group that the app creates and tracks where none is named."""

WHAT_IS_TRACKED = ("log_groups", "new_log_groups", "track_account", "source_accounts")
"""The options of which a stack needs at least one."""

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
    """What everything that stores something takes."""

    encryption_key: Annotated[
        kms.IKey | str | None,
        Option(
            OrNone(KEY),
            None,
            "KMS key for session table, log groups, secrets, queues and topic; the policy of an "
            "existing key must let CloudWatch Logs and alarms use it",
            shown="AWS's own keys",
        ),
    ]


class RotationOptions(TypedDict, total=False):
    """How often keys are replaced."""

    rotation: Annotated[
        cdk.Duration | None,
        Option(
            OrNone(LengthOfTime(MIN_ROTATION_SECONDS // 3600, 24_000, "30d", "hours")),
            None,
            "How often the bridge's API key and the service account's access key are replaced",
            needs=_DEPLOYS_BOTH,
        ),
    ]
    rotation_grace: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(1, 24_000, "7d", "hours"),
            cdk.Duration.seconds(PREVIOUS_KEY_SECONDS),
            "How long the bridge accepts a replaced key at most, and how long a disabled access "
            "key can be enabled again; at most rotation",
            needs=("rotation",),
        ),
    ]


class SourceRangeOptions(TypedDict, total=False):
    """Where requests may come from."""

    allowed_source_ranges: Annotated[
        Sequence[str],
        Option(
            ListOf(SourceRange()),
            (),
            "Addresses in CIDR notation that may ask the bridge and use the service account's key",
            shown="all, with the key",
            needs=_DEPLOYS_BOTH,
        ),
    ]


class ValidatorOptions(EncryptionOptions, total=False):
    """What the validator takes."""

    ingest: Annotated[
        Ingest | str,
        Option(
            Choice({one.value: one for one in Ingest}),
            Ingest.DIRECT,
            "How lines get to the validator: direct, or kinesis (a stream between, for more than "
            "Lambda runs at once and for other accounts)",
        ),
    ]
    source_accounts: Annotated[
        Sequence[str],
        Option(
            ListOf(Text("[0-9]{12}", "give the id of an account: twelve digits", tokens=True)),
            (),
            "With ingest=kinesis: ids of other accounts that may send their lines",
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
            "A secret that holds a self-hosted OpenReplay's TOKEN_SECRET, to check signatures",
        ),
    ]
    accept_unsigned_ids: Annotated[
        bool | None,
        Option(
            OrNone(Flag()),
            None,
            "Link lines by a session id alone, which has no signature; none: yes, unless "
            "token_secret is given",
        ),
    ]
    replay_url: Annotated[
        str | None,
        Option(
            OrNone(ReplayUrl()),
            None,
            f"The address of a replay, for links: {EXAMPLE}",
            shown="that of openreplay_projects, if there is one",
        ),
    ]
    error_events: Annotated[
        events.IEventBus | str | bool | None,
        Option(
            EventBus(),
            None,
            "An EventBridge bus that gets an event about each session with an error line; true is "
            "the default bus",
        ),
    ]
    error_event_interval: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(0, 86_400, "5m"),
            cdk.Duration.seconds(ERROR_EVENT_INTERVAL_SECONDS),
            "How long the next event about the same session waits",
            needs=("error_events",),
        ),
    ]
    reserved_concurrency: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            10,
            "How many payloads the validator judges at once; none reserves nothing, which an "
            "account with the initial quota of 10 needs",
        ),
    ]
    detailed_metrics: Annotated[
        bool,
        Option(
            Flag(),
            False,
            "Also publish lines by log group and verdict (0.30 dollars a month a pair)",
        ),
    ]


class ServiceAccountOptions(EncryptionOptions, RotationOptions, SourceRangeOptions, total=False):
    """What the service account takes."""

    service_account_access: Annotated[
        ServiceAccountAccess | str,
        Option(
            Choice({one.value: one for one in ServiceAccountAccess}),
            ServiceAccountAccess.SCOPED,
            "What its key may do: scoped, scoped_and_describe or cloud_watch_read_only",
            needs=("service_account",),
        ),
    ]
    service_account_log_groups: Annotated[
        Sequence[logs.ILogGroup | str],
        Option(
            ListOf(LOG_GROUP),
            (),
            "Log groups that its key reads; needed with track_account, and with more tracked log "
            "groups than a policy has room for",
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
            "The IAM user's name, unique in an account; none for a generated one",
            shown="openreplay_cw; generated in a construct",
            needs=("service_account",),
        ),
    ]
    key_serial: Annotated[
        int,
        Option(
            Number(1),
            1,
            "A higher number replaces the access key; not with rotation",
            needs=("service_account",),
        ),
    ]


class BridgeOptions(EncryptionOptions, RotationOptions, SourceRangeOptions, total=False):
    """What the bridge takes."""

    bridge_domain_name: Annotated[
        apigatewayv2.IDomainName | None,
        Option(
            OrNone(DOMAIN_NAME),
            None,
            "A domain of your own for the bridge",
            shown="API Gateway's",
            needs=("bridge",),
            in_context=False,
        ),
    ]
    bridge_reserved_concurrency: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            25,
            "How many requests the bridge answers at once; none sets no cap, which an account with "
            "the initial quota of 10 needs",
            needs=("bridge",),
        ),
    ]
    settle: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(0, 3600, "3m"),
            cdk.Duration.seconds(SETTLE_SECONDS),
            "How long after a session's last line its answer is held back (OpenReplay keeps the "
            "first answer)",
            needs=("bridge",),
        ),
    ]
    session_lifetime: Annotated[
        cdk.Duration,
        Option(
            LengthOfTime(60, 30 * 86_400, "2h"),
            cdk.Duration.seconds(SESSION_LIFETIME_SECONDS),
            "OpenReplay's MAX_SESSION_DURATION",
            needs=("bridge",),
        ),
    ]
    hold_until_over: Annotated[
        bool,
        Option(
            Flag(),
            False,
            "Give no lines while the session may still be running",
            needs=("bridge",),
        ),
    ]
    show_log_group: Annotated[
        bool,
        Option(
            Flag(),
            True,
            "Whether a message beside the replay begins with its log group",
            needs=("bridge",),
        ),
    ]


class MonitoringOptions(EncryptionOptions, total=False):
    """What alarms and dashboard take."""

    alarm_topic: Annotated[
        sns.ITopic | str | None,
        Option(OrNone(TOPIC), None, "An SNS topic for the alarms", shown="a new one"),
    ]
    dashboard: Annotated[bool, Option(Flag(), True, "Whether to create a CloudWatch dashboard")]


class TrackingOptions(TypedDict, total=False):
    """Which lines are judged, and how long they are kept."""

    new_log_groups: Annotated[
        Sequence[str],
        Option(
            ListOf(LOG_GROUP_NAME),
            (),
            "Names of log groups to create and to track",
            shown=f"{FIRST_LOG_GROUP} where no log group is named",
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
            "Track every log group of the account and region, with one subscription, in place of "
            "log_groups and new_log_groups; an account has one such subscription in a region",
        ),
    ]
    excluded_log_groups: Annotated[
        Sequence[str],
        Option(ListOf(LOG_GROUP_NAME), (), "With track_account: names of log groups to leave out"),
    ]
    session_table: Annotated[
        dynamodb.ITable | str | None,
        Option(
            OrNone(TABLE),
            None,
            "An existing session table, also of another region or account",
            shown="a new one",
        ),
    ]
    session_table_write_limit: Annotated[
        int | None,
        Option(
            OrNone(Number(1)),
            None,
            "Write units a second that the new session table takes at most, as a cost brake",
        ),
    ]
    log_retention: Annotated[
        logs.RetentionDays | str,
        Option(
            Choice(_RETENTIONS),
            logs.RetentionDays.ONE_MONTH,
            "Days that lines are kept in the log groups created here",
            needs=("new_log_groups",),
        ),
    ]
    removal_policy: Annotated[
        cdk.RemovalPolicy | str,
        Option(
            Choice(_REMOVAL_POLICIES),
            cdk.RemovalPolicy.RETAIN,
            "What becomes of the session table and the log groups created here when the stack "
            "goes: retain or destroy",
        ),
    ]


class PartOptions(TypedDict, total=False):
    """Which parts there are."""

    service_account: Annotated[
        bool,
        Option(
            Flag(),
            True,
            "Whether to create the IAM user of OpenReplay's page, which OpenReplay v1.21 and "
            "later do not use",
        ),
    ]
    bridge: Annotated[
        bool,
        Option(Flag(), True, "Whether to create the endpoint that OpenReplay v1.21 and later ask"),
    ]
    openreplay_projects: Annotated[
        Sequence[OpenReplayProject | Mapping[str, object]],
        Option(
            ListOfFields(PROJECT),
            (),
            'OpenReplay projects that the bridge is registered with: a list of {"url": …, '
            '"project_id": …, "login_secret": ARN}',
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
    """What :class:`OpenReplayCloudWatch` and its stack take."""
