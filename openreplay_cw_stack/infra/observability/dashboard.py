"""The dashboard: lines by verdict, delivery, searches, keys and cost.

This file is longer than others: it holds every row of the dashboard.

The dashboard is 24 columns wide. Green marks the expected state. Each rejected verdict has a colour
of its own; elsewhere orange and red mark problems, blue and grey mere counts. CloudWatch chooses
the colours of log groups. Graphs by log group search for their metrics, so they include log groups
that are tracked later, and show the 20 log groups with the most lines. The code does not publish
zeroes, so stacked areas draw gaps as zeroes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.infra.key_rotation import KeyRotation
from openreplay_cw_stack.infra.observability.alarms import (
    AGE_TOLERATED,
    ALARMS_PAGE,
    ONLY_WITH_TOKEN_SECRET,
    Alarms,
)
from openreplay_cw_stack.infra.observability.saved_query import QUERY_WITH_LINKS
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import Verdict

LOG_GROUPS_SHOWN = 20
_WIDTH = 24

_GREEN, _ORANGE, _RED = "#2ca02c", "#ff7f0e", "#d62728"
_LIGHT_ORANGE, _BROWN, _PURPLE, _PINK = "#ffbb78", "#8c564b", "#9467bd", "#e377c2"
_BLUE, _LIGHT_BLUE, _GREY = "#1f77b4", "#9ecae1", "#9a9a9a"
_OTHERS = (_PURPLE, _BROWN, _PINK, _BLUE, _GREY)

_VERDICTS = {
    Verdict.LINKABLE: ("Linkable", _GREEN),
    Verdict.MISSPELLED_TAG: ("Misspelled tag", _ORANGE),
    Verdict.CONFLICTING_TAGS: ("Conflicting tags", _BLUE),
    Verdict.MALFORMED_TOKEN: ("Malformed token", _RED),
    Verdict.EMPTY_TOKEN: ("Empty token", _LIGHT_ORANGE),
    Verdict.MASKED_TOKEN: ("Masked token", _BROWN),
    Verdict.BAD_SIGNATURE: ("Bad signature", _PURPLE),
    Verdict.UNSIGNED: ("Unsigned", _PINK),
    Verdict.UNTAGGED: ("No tag", _GREY),
}
_OUTCOMES = {
    names.ANSWERED_SEARCHES: ("Answered with lines", _GREEN),
    names.EMPTY_SEARCHES: ("No line", _GREY),
    names.UNSETTLED_SEARCHES: ("Held back", _LIGHT_BLUE),
    names.TIMED_OUT_SEARCHES: ("Timed out", _ORANGE),
    names.REFUSED_SEARCHES: ("Refused", _PURPLE),
    names.FAILED_SEARCHES: ("Failed", _RED),
    names.FAILED_KEY_READS: ("Reads of the API key that failed", _BROWN),
}


def create_dashboard(
    scope: Construct,
    *,
    alarms: Alarms,
    validator: TokenValidator,
    session_table: dynamodb.ITable | None,
    checks_signatures: bool,
    bridge: SessionSearchBridge | None,
    rotation: KeyRotation | None,
    functions: Sequence[lambda_.IFunction],
) -> cloudwatch.Dashboard:
    """Create the dashboard.

    Args:
        scope: the parent construct.
        alarms: the alarms to show, including those that are added later.
        validator: the validator whose lines are counted.
        session_table: the table whose consumption is shown; None for a table of another stack.
        checks_signatures: whether the validator has a token secret, which two verdicts require.
        bridge: the bridge whose responses are counted.
        rotation: the rotation whose keys are shown by age.
        functions: the other functions, whose errors are shown.
    """
    dashboard = cloudwatch.Dashboard(
        scope,
        "Dashboard",
        default_interval=cdk.Duration.hours(24),
        # Hours in minutes, months in hours: sums over five minutes cannot be read over a month.
        period_override=cloudwatch.PeriodOverride.AUTO,
    )
    dashboard.add_widgets(_AlarmStates(alarms))
    rows = [
        *_line_rows(validator, checks_signatures),
        *_delivery_rows(validator, functions),
        *(_bridge_rows(bridge) if bridge else []),
        *(_key_rows(rotation) if rotation else []),
        *_cost_rows(validator, session_table, bridge),
    ]
    for row in rows:
        dashboard.add_widgets(*row)
    return dashboard


_Row = list[cloudwatch.IWidget]


class _AlarmStates(cloudwatch.ConcreteWidget):
    """The state of every alarm, including alarms that are added after the dashboard."""

    def __init__(self, alarms: Alarms) -> None:
        super().__init__(_WIDTH, 3)
        self._alarms = alarms

    def to_json(self) -> list[Any]:
        """Return the widget's JSON. The CDK calls this during synthesis."""
        title = f"Alarms: all should be OK. What to do: {ALARMS_PAGE}#each-alarm"
        properties = {"title": title, "alarms": self._alarms.arns}
        return [
            {
                "type": "alarm",
                "width": _WIDTH,
                "height": 3,
                "x": self._x,
                "y": self._y,
                "properties": properties,
            }
        ]


def _line_rows(validator: TokenValidator, checks_signatures: bool) -> list[_Row]:
    described = {
        verdict: described
        for verdict, described in _VERDICTS.items()
        if checks_signatures or verdict not in ONLY_WITH_TOKEN_SECRET
    }
    verdicts = {
        str(verdict): (validator.metric_lines(verdict), label, color)
        for verdict, (label, color) in described.items()
    }
    rows: list[_Row] = [
        [
            _text(
                "Lines with a tag",
                "Green lines are linkable; nearly all should be green. OpenReplay cannot show "
                "lines of any other color: find their log group below, and the fix in "
                "docs/verdicts.md." + _where_links_are(validator),
            )
        ],
        [
            cloudwatch.GraphWidget(
                title="Lines by verdict",
                left=_stacked(verdicts),
                left_y_axis=_axis("lines"),
                stacked=True,
                width=16,
                height=7,
            ),
            cloudwatch.SingleValueWidget(
                title="Lines in the time shown",
                metrics=[
                    validator.metric_lines(verdict, label=label, color=color)
                    for verdict, (label, color) in described.items()
                ],
                set_period_to_time_range=True,
                width=8,
                height=7,
            ),
        ],
        [
            _by_group(validator, "Linked lines by log group", names.LINKED_LINES),
            _by_group(validator, "Rejected lines by log group", names.REJECTED_LINES),
        ],
    ]
    if validator.has_detailed_metrics:
        rows.append([_by_group_and_verdict(validator)])
    return rows


def _where_links_are(validator: TokenValidator) -> str:
    if validator.replay_url is None:
        return ""
    return (
        f" The saved query *{validator.deployment}/{QUERY_WITH_LINKS}* of Logs Insights shows "
        "lines with links to their replays."
    )


def _delivery_rows(validator: TokenValidator, functions: Sequence[lambda_.IFunction]) -> list[_Row]:
    function = validator.function
    return [
        [
            _text(
                "Delivery",
                "The first graph shows lines that are lost or waiting, and should be empty. The "
                "second shows how late lines arrive, and should stay far below its line. See "
                "docs/delivery.md.",
            )
        ],
        [
            cloudwatch.GraphWidget(
                title="Lost or waiting",
                left=[
                    validator.metric(names.DROPPED_LINES, label="Lines dropped", color=_RED),
                    validator.dead_letter_queue.metric_approximate_number_of_messages_visible(
                        statistic="Maximum",
                        label="Dead letters (messages)",
                        color=_PURPLE,
                    ),
                    validator.metric(
                        names.UNUSABLE_PAYLOADS, label="Unusable payloads", color=_BROWN
                    ),
                    validator.metric(
                        names.REFUSED_ITEMS, label="Items that DynamoDB refused", color=_PINK
                    ),
                    validator.metric(
                        names.QUEUED_LINES, label="Lines to the retry queue", color=_ORANGE
                    ),
                    validator.metric(
                        names.THROTTLED_WRITES, label="Throttled writes", color=_LIGHT_ORANGE
                    ),
                ],
                left_y_axis=_axis("lines, messages, items"),
                width=8,
            ),
            cloudwatch.GraphWidget(
                title="How late lines reach the validator",
                left=[
                    cloudwatch.MathExpression(
                        expression="age / 60000",
                        using_metrics={
                            "age": function.metric("AsyncEventAge", statistic="Maximum")
                        },
                        label="Oldest payload",
                        color=_BLUE,
                    )
                ],
                left_y_axis=_axis("minutes"),
                left_annotations=[
                    cloudwatch.HorizontalAnnotation(
                        value=AGE_TOLERATED.to_minutes(), label="Alarm", color=_RED
                    )
                ],
                width=8,
            ),
            cloudwatch.GraphWidget(
                title="Functions that fail, and the validator's throttles",
                left=[
                    function.metric_errors(label="Validator", color=_RED),
                    function.metric_throttles(label="Validator throttled", color=_ORANGE),
                    *(
                        one.metric_errors(label=_named(one), color=color)
                        for one, color in zip(functions, cycle(_OTHERS))
                    ),
                ],
                left_y_axis=_axis("invocations"),
                width=8,
            ),
        ],
    ]


def _bridge_rows(bridge: SessionSearchBridge) -> list[_Row]:
    outcomes = {
        name[0].lower() + name[1:]: (bridge.metric(name), label, color)
        for name, (label, color) in _OUTCOMES.items()
    }
    return [
        [
            _text(
                "Bridge",
                "OpenReplay sends a search for each opened replay. No searches: OpenReplay has a "
                "wrong URL or cannot reach it. *Refused*: OpenReplay has a wrong key. See "
                "docs/troubleshooting.md#nothing-is-shown.",
            )
        ],
        [
            cloudwatch.GraphWidget(
                title="OpenReplay's searches by result",
                left=_stacked(outcomes),
                left_y_axis=_axis("searches"),
                stacked=True,
                width=12,
            ),
            cloudwatch.GraphWidget(
                title="Lines returned, and response times",
                left=[bridge.metric(names.HITS, label="Lines returned", color=_GREEN)],
                right=[
                    bridge.metric(
                        names.SEARCH_TIME, statistic=statistic, label=f"Time, {label}", color=color
                    )
                    for statistic, label, color in (
                        ("p50", "median", _LIGHT_BLUE),
                        ("p95", "slowest twentieth", _BLUE),
                    )
                ],
                left_y_axis=_axis("lines"),
                right_y_axis=_axis("milliseconds"),
                width=12,
            ),
        ],
    ]


def _key_rows(rotation: KeyRotation) -> list[_Row]:
    days = rotation.every.to_hours() / 24
    return [
        [
            _text(
                "Keys",
                "If a line climbs above *Rotated*, its key cannot be rotated: the graph beside it "
                "shows why. See docs/rotation.md.",
            )
        ],
        [
            cloudwatch.GraphWidget(
                title="Age of the keys",
                left=[
                    rotation.metric(
                        names.KEY_AGE,
                        {names.KEY: key},
                        statistic="Maximum",
                        period=cdk.Duration.hours(1),
                        label=label,
                    )
                    for key, label in (
                        ("api_key", "The bridge's API key"),
                        ("access_key", "The service account's access key"),
                    )
                ],
                left_y_axis=_axis("days"),
                left_annotations=[
                    cloudwatch.HorizontalAnnotation(value=days, label="Rotated", color=_GREEN)
                ],
                width=12,
            ),
            cloudwatch.GraphWidget(
                title="Rotations that need a person",
                left=[
                    rotation.metric(names.NEW_KEY_UNUSED, label="New key unused", color=_ORANGE),
                    rotation.metric(names.REFUSED_ROTATIONS, label="Refused", color=_PURPLE),
                    rotation.metric(names.FAILED_ROTATIONS, label="Failed", color=_RED),
                ],
                left_y_axis=_axis("times"),
                width=12,
            ),
        ],
    ]


def _cost_rows(
    validator: TokenValidator,
    session_table: dynamodb.ITable | None,
    bridge: SessionSearchBridge | None,
) -> list[_Row]:
    invocations = [
        validator.function.metric_invocations(label="Validator invocations", color=_BLUE),
        *(
            [bridge.function.metric_invocations(label="Bridge invocations", color=_LIGHT_BLUE)]
            if bridge
            else []
        ),
    ]
    units = [
        _consumed(session_table, name, label, color)
        for name, label, color in (
            ("ConsumedWriteCapacityUnits", "Write units", _GREEN),
            ("ConsumedReadCapacityUnits", "Read units", _PURPLE),
        )
        if session_table is not None
    ]
    return [
        [
            _text(
                "What it costs",
                "Invocations, capacity units of the session table and custom metrics (0.30 dollars "
                "a month each) make up the bill. See docs/cost.md for the prices.",
            )
        ],
        [
            cloudwatch.GraphWidget(
                title="Invocations, and units of the session table",
                left=invocations,
                right=units,
                left_y_axis=_axis("invocations"),
                right_y_axis=_axis("units") if units else None,
                width=16,
            ),
            cloudwatch.SingleValueWidget(
                title="In the time shown",
                metrics=[*invocations, *units, _custom_metrics(validator)],
                set_period_to_time_range=True,
                width=8,
                height=6,
            ),
        ],
    ]


def _text(title: str, sentence: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(
        markdown=f"## {title}\n{sentence}",
        width=_WIDTH,
        height=2,
        background=cloudwatch.TextWidgetBackground.TRANSPARENT,
    )


def _axis(label: str) -> cloudwatch.YAxisProps:
    # Without units: CloudWatch writes them beside the label.
    return cloudwatch.YAxisProps(label=label, min=0, show_units=False)


def _named(function: lambda_.IFunction) -> str:
    """Return the name of the function's construct: Bridge, Rotation or a project's name."""
    return function.node.path.split("/")[-2]


def _stacked(
    metrics: Mapping[str, tuple[cloudwatch.Metric, str, str]],
) -> list[cloudwatch.IMetric]:
    """Return metrics with a label and a colour, and zeroes for missing data."""
    return [
        cloudwatch.MathExpression(
            expression=f"FILL({name}, 0)", using_metrics={name: metric}, label=label, color=color
        )
        for name, (metric, label, color) in metrics.items()
    ]


def _consumed(table: dynamodb.ITable, name: str, label: str, color: str) -> cloudwatch.Metric:
    """Return a consumption metric. DynamoDB Developer Guide, "DynamoDB metrics and dimensions"."""
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name=name,
        dimensions_map={"TableName": table.table_name},
        statistic="Sum",
        label=label,
        color=color,
    )


def _search(validator: TokenValidator, dimensions: Sequence[str], metric_name: str) -> str:
    """Return a search. CloudWatch User Guide, "CloudWatch search expression syntax"."""
    schema = ",".join([names.NAMESPACE, names.DEPLOYMENT, *dimensions])
    deployment = f'{names.DEPLOYMENT}="{validator.deployment}"'
    query = f'{{{schema}}} MetricName="{metric_name}" {deployment}'
    return f"SORT(SEARCH('{query}', 'Sum'), SUM, DESC, {LOG_GROUPS_SHOWN})"


def _by_group(validator: TokenValidator, title: str, metric_name: str) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=[
            cloudwatch.MathExpression(
                expression=_search(validator, [names.LOG_GROUP], metric_name),
                using_metrics={},
                label=f"${{PROP('Dim.{names.LOG_GROUP}')}}",
            )
        ],
        left_y_axis=_axis("lines"),
        width=12,
    )


def _by_group_and_verdict(validator: TokenValidator) -> cloudwatch.GraphWidget:
    dimensions = [names.LOG_GROUP, names.VERDICT]
    properties = [f"${{PROP('Dim.{dimension}')}}" for dimension in dimensions]
    return cloudwatch.GraphWidget(
        title="Lines by log group and verdict",
        left=[
            cloudwatch.MathExpression(
                expression=_search(validator, dimensions, names.LINES),
                using_metrics={},
                label=": ".join(properties),
            )
        ],
        left_y_axis=_axis("lines"),
        width=_WIDTH,
    )


def _custom_metrics(validator: TokenValidator) -> cloudwatch.MathExpression:
    """Return the number of this deployment's metrics, as a series since a widget needs one."""
    query = f'Namespace="{names.NAMESPACE}" {names.DEPLOYMENT}="{validator.deployment}"'
    search = f"SEARCH('{query}', 'SampleCount')"
    return cloudwatch.MathExpression(
        expression=f"0 * SUM({search}) + METRIC_COUNT({search})",
        using_metrics={},
        label="Custom metrics",
        color=_GREY,
    )
