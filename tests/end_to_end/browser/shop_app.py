"""A shop's own CDK app: functions in two languages whose code does not change, and a decorator."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

from openreplay_cw_stack import OpenReplayCloudWatch, TaggingLayer, function_url_cors

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"


def main() -> None:
    app = cdk.App()
    stack = cdk.Stack(app, "Shop")
    integration = OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        token_secret=secretsmanager.Secret.from_secret_name_v2(stack, "Secret", "openreplay"),
        settle=cdk.Duration.seconds(0),
        session_lifetime=cdk.Duration.seconds(60),
        service_account=False,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        replay_url="https://openreplay.example/5/session/{session}",
        error_events=True,
    )
    errors = sqs.Queue(stack, "Errors")
    events.Rule(
        stack,
        "QueueErrors",
        event_pattern=events.EventPattern(source=["openreplay-cw-stack"]),
        targets=[targets.SqsQueue(errors)],
    )
    cdk.CfnOutput(stack, "ErrorsUrl", value=errors.queue_url)
    unchanged = a_function(stack, "Unchanged", HERE / "shop", "orders.handler")
    nodejs = a_function(
        stack, "Nodejs", HERE / "shop", "stock.handler", runtime=lambda_.Runtime.NODEJS_22_X
    )
    for function in (unchanged, nodejs):
        integration.tag_errors_of(function)
    decorated = a_function(stack, "Decorated", EXAMPLES, "lambda_function.handler")
    decorated.add_layers(TaggingLayer(stack, "Tagging").layer)
    for function in (unchanged, nodejs, decorated):
        integration.track(function.log_group)
        url = function.add_function_url(
            auth_type=lambda_.FunctionUrlAuthType.NONE,
            cors=function_url_cors(
                allowed_origins=[app.node.try_get_context("origin") or "*"],
                allowed_methods=["POST"],
            ),
        )
        cdk.CfnOutput(stack, f"{function.node.id}Url", value=url.url)
        cdk.CfnOutput(stack, f"{function.node.id}Logs", value=function.log_group.log_group_name)
    assert integration.bridge is not None
    cdk.CfnOutput(stack, "BridgeUrl", value=integration.bridge.url)
    cdk.CfnOutput(stack, "BridgeSecret", value=integration.bridge.secret.secret_arn)
    cdk.CfnOutput(stack, "SessionTableName", value=integration.session_table.table_name)
    app.synth()


def a_function(
    stack: cdk.Stack,
    name: str,
    folder: Path,
    handler: str,
    runtime: lambda_.Runtime = lambda_.Runtime.PYTHON_3_13,
) -> lambda_.Function:
    return lambda_.Function(
        stack,
        name,
        runtime=runtime,
        handler=handler,
        code=lambda_.Code.from_asset(str(folder), exclude=["browser", "__pycache__"]),
        log_group=logs.LogGroup(stack, f"{name}Lines", removal_policy=cdk.RemovalPolicy.DESTROY),
    )


if __name__ == "__main__":
    main()
