"""A CDK app of somebody's whose stack has the construct twice, and no outputs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from openreplay_cw_stack.infra import OpenReplayCloudWatch, ServiceAccountAccess


def main() -> None:
    """Synthesise it."""
    app = cdk.App()
    stack = cdk.Stack(app, "Shop")
    lambda_.Function(
        stack,
        "Checkout",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): return None"),
    )
    OpenReplayCloudWatch(
        stack,
        "Replay",
        new_log_groups=["/ecs/shop"],
        service_account=False,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        dashboard=False,
    )
    OpenReplayCloudWatch(
        stack,
        "ReplayOfTheStaff",
        log_groups=[logs.LogGroup(stack, "StaffLogs", removal_policy=cdk.RemovalPolicy.DESTROY)],
        service_account_access=ServiceAccountAccess.CLOUD_WATCH_READ_ONLY,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        dashboard=False,
    )
    app.synth()


if __name__ == "__main__":
    main()
