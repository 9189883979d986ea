"""AWS managed policies that MiniStack lacks, as AWS has them.

AWS: "AWS Managed Policy Reference", CloudWatchReadOnlyAccess, version 25.
"""

from __future__ import annotations

from typing import Any

_OBSERVABILITY_ADMIN_READS = (
    "GetCentralizationRuleForOrganization",
    "ListCentralizationRulesForOrganization",
    "GetTelemetryEvaluationStatus",
    "GetTelemetryEvaluationStatusForOrganization",
    "GetTelemetryRule",
    "GetTelemetryRuleForOrganization",
    "ListResourceTelemetry",
    "ListResourceTelemetryForOrganization",
    "ListTelemetryRules",
    "ListTelemetryRulesForOrganization",
    "GetTelemetryEnrichmentStatus",
    "ListTagsForResource",
    "GetTelemetryPipeline",
    "ListTelemetryPipelines",
    "TestTelemetryPipeline",
    "ValidateTelemetryPipelineConfiguration",
    "GetS3TableIntegration",
    "ListS3TableIntegrations",
    "GetDatasetIntegration",
    "ListDatasetIntegrations",
)
_QUOTA_SERVICES = (
    "s3",
    "dynamodb",
    "kinesis",
    "sns",
    "bedrock",
    "lambda",
    "fargate",
    "elasticloadbalancing",
    "ec2",
)
_EXPLORER_VIEWS = (
    "AWSServiceViewForApplicationSignals",
    "AWSServiceViewForApplicationSignalsOrgScopeProd",
)


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


CLOUDWATCH_READ_ONLY_ACCESS: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        _allow(
            "CloudWatchReadOnlyAccessPermissions",
            [
                "application-autoscaling:DescribeScalingPolicies",
                *(f"application-signals:{verb}*" for verb in ("BatchGet", "Get", "List")),
                "autoscaling:Describe*",
                "cloudtrail:ListChannels",
                *(f"cloudwatch:{verb}*" for verb in ("BatchGet", "Describe", "Get", "List")),
                "cloudwatch:GenerateQuery",
                "cloudwatch:CreateOneTimeDeepLinkCode",
                *(f"logs:{verb}*" for verb in ("Describe", "Get", "List")),
                "logs:StartQuery",
                "logs:StopQuery",
                "logs:TestMetricFilter",
                "logs:FilterLogEvents",
                "logs:StartLiveTail",
                "logs:StopLiveTail",
                "oam:ListSinks",
                *(f"observabilityadmin:{action}" for action in _OBSERVABILITY_ADMIN_READS),
                "sns:Get*",
                "sns:List*",
                *(f"rum:{verb}*" for verb in ("BatchGet", "Get", "List")),
                *(f"synthetics:{verb}*" for verb in ("Describe", "Get", "List")),
                *(f"xray:{verb}*" for verb in ("BatchGet", "Get", "List")),
                "xray:StartTraceRetrieval",
                "xray:CancelTraceRetrieval",
            ],
            ["*"],
        ),
        _allow("OAMReadPermissions", ["oam:ListAttachedLinks"], ["arn:aws:oam:*:*:sink/*"]),
        _allow(
            "CloudWatchReadOnlyGetRolePermissions",
            ["iam:GetRole"],
            [
                "arn:aws:iam::*:role/aws-service-role/application-signals.cloudwatch.amazonaws.com"
                "/AWSServiceRoleForCloudWatchApplicationSignals"
            ],
        ),
        _allow(
            "CloudWatchCloudTrailPermissions",
            ["cloudtrail:GetChannel"],
            ["arn:aws:cloudtrail:*:*:channel/aws-service-channel/application-signals/*"],
        ),
        _allow(
            "CloudWatchServiceQuotaPermissions",
            ["servicequotas:GetServiceQuota"],
            [f"arn:aws:servicequotas:*:*:{service}/*" for service in _QUOTA_SERVICES],
        ),
        _allow(
            "CloudWatchResourceExplorerPermissions",
            ["resource-explorer-2:ListIndexes", "resource-explorer-2:Search"],
            [
                f"arn:aws:resource-explorer-2:*::view/{view}/service-view"
                for view in _EXPLORER_VIEWS
            ],
        ),
    ],
}
