"""Checks the account's quotas that apply to the stack's resources."""

from __future__ import annotations

from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Step, fail, ok
from openreplay_cw_stack.commands.terminal import count

RESOURCE_POLICIES_ALLOWED = 10
"""Resource policies of CloudWatch Logs per region: AWS documentation, "CloudWatch Logs quotas"."""
DELIVERY_POLICY = "AWSLogDeliveryWrite20150319"
"""The policy that API Gateway adds for access logs, once per region: CloudWatch Logs User Guide,
"Enabling logging from AWS services"."""

_IAM = {
    "AWS::IAM::User": ("Users", "users"),
    "AWS::IAM::Group": ("Groups", "groups"),
    "AWS::IAM::Role": ("Roles", "roles"),
    "AWS::IAM::ManagedPolicy": ("Policies", "managed policies"),
}


def check_iam_quotas(context: Context) -> Step[None]:
    """Check the quotas of IAM. IAM API reference, "GetAccountSummary"."""
    name = "IAM quotas"
    summary = context.account.client("iam").get_account_summary()["SummaryMap"]
    full = []
    for kind, (key, words) in _IAM.items():
        new = sum(1 for _ in context.plan.of_kind(kind)) - len(context.owned(kind))
        used, quota = summary.get(key, 0), summary.get(f"{key}Quota")
        if new > 0 and quota is not None and used + new > quota:
            full.append(f"{used} of {quota} {words}; the stack adds {new}")
    if full:
        yield fail(
            name,
            f"the account uses {'. It uses '.join(full)}",
            "Remove some, or request a higher quota: Service Quotas, AWS Identity and Access "
            "Management.",
        )
    else:
        yield ok(name, "enough for the stack's users, groups, roles and policies")


def check_resource_policies(context: Context) -> Step[None]:
    """Check that API Gateway can get the permission to write access logs."""
    name = "resource policies"
    if not any(
        "AccessLogSettings" in one.properties
        for one in context.plan.of_kind("AWS::ApiGatewayV2::Stage")
    ):
        return
    pages = context.account.client("logs").get_paginator("describe_resource_policies").paginate()
    found = [one["policyName"] for page in pages for one in page["resourcePolicies"]]
    seen = count(len(found), "resource policy", "resource policies")
    if len(found) >= RESOURCE_POLICIES_ALLOWED and DELIVERY_POLICY not in found:
        yield fail(
            name,
            f"CloudWatch Logs has {seen} here, which is the limit, but the bridge's access log "
            "needs one more",
            "Remove an unused one: `aws logs describe-resource-policies` lists them.",
        )
    else:
        yield ok(name, f"{seen} of {RESOURCE_POLICIES_ALLOWED}")
