"""A saved query of CloudWatch Logs Insights that shows lines with links to their replays."""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from openreplay_cw_stack.infra.token_validator import TokenValidator
from openreplay_cw_stack.tagging import ID_TAG_NAME
from openreplay_cw_stack.tagging.replay_url import SESSION_PLACEHOLDER

QUERY_WITH_LINKS = "lines with replay links"
"""The query's name. Its folder has the name of the deployment."""


def save_query_with_links(scope: Construct, validator: TokenValidator) -> logs.CfnQueryDefinition:
    """Save the query. It finds id tags and id fields, since a token does not show its session id.

    CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax": ``parse`` with a
    regular expression and ``concat``; AWS CloudFormation Template Reference,
    "AWS::Logs::QueryDefinition": a slash in the name makes a folder.
    """
    before, _, after = (validator.replay_url or "").partition(SESSION_PLACEHOLDER)
    name = ID_TAG_NAME.replace(".", "\\.")
    parts = [f'"{before}"', "session", *([f'"{after}"'] if after else [])]
    return logs.CfnQueryDefinition(
        scope,
        "LinesWithReplayLinks",
        name=f"{validator.deployment}/{QUERY_WITH_LINKS}",
        query_string="\n".join(
            [
                f"filter @message like /{name}/",
                rf"| parse @message /{name}[\"=: ]+(?<session>\d+)/",
                f"| fields @timestamp, concat({', '.join(parts)}) as replay, @message",
                "| sort @timestamp desc",
                "| limit 100",
            ]
        ),
    )
