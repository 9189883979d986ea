"""A host's app that has the errors of sessions mailed and queued: the recipes of the docs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs

from openreplay_cw_stack import OpenReplayCloudWatch


def main() -> None:
    app = cdk.App()
    stack = cdk.Stack(app, "Shop")
    bus = events.EventBus(stack, "Errors")
    integration = OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        new_log_groups=["/shop/checkout"],
        service_account=False,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        replay_url="https://openreplay.example/5/session/{session}",
        error_events=bus,
    )
    mail = sns.Topic(stack, "Mail")
    mail.add_subscription(subscriptions.EmailSubscription("on-call@shop.example"))
    detail = events.EventField.from_path
    text = (
        f"{detail('$.detail.lines')} error lines in {detail('$.detail.log_group')}: "
        f"{detail('$.detail.message')}\nReplay: {detail('$.detail.replay_url')}"
    )
    queue = sqs.Queue(stack, "Queue")
    # The topic's messages, for the test: nobody reads that mail.
    mailed = sqs.Queue(stack, "Mailed")
    mail.add_subscription(subscriptions.SqsSubscription(mailed))
    events.Rule(
        stack,
        "Rule",
        event_bus=bus,
        event_pattern=events.EventPattern(
            source=["openreplay-cw-stack"], detail_type=["OpenReplay session error"]
        ),
        targets=[
            targets.SnsTopic(mail, message=events.RuleTargetInput.from_text(text)),
            targets.SqsQueue(queue),
        ],
    )
    assert integration.bridge is not None
    cdk.CfnOutput(stack, "QueueUrl", value=queue.queue_url)
    cdk.CfnOutput(stack, "MailedUrl", value=mailed.queue_url)
    cdk.CfnOutput(stack, "BusName", value=bus.event_bus_name)
    cdk.CfnOutput(stack, "SessionTableName", value=integration.session_table.table_name)
    cdk.CfnOutput(stack, "RetryQueueUrl", value=integration.validator.retry_queue.queue_url)
    app.synth()


if __name__ == "__main__":
    main()
