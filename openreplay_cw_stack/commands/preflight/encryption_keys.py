"""Checks that the policies of existing KMS keys allow every principal that uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from openreplay_cw_stack.commands.aws import dns_suffix
from openreplay_cw_stack.commands.preflight.key_policies import missing_actions, statements_of
from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, guarded, ok, skip

_NAME = "encryption key"
_KEY_ARN = re.compile(r"arn:[\w-]+:kms:([\w-]+):(\d{12}):key/[\w-]+")
_USES = ("kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True)
class User:
    """A principal that will use a key.

    Attributes:
        what: the principal in words.
        principals: the names of the principal in key policies.
        actions: the actions that it needs.
        without: the consequence if it lacks an action.
    """

    what: str
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    without: str


def check_encryption_keys(context: Context) -> Step[None]:
    """Check that each key is enabled, and that its policy allows all its users."""
    for arn in sorted(_keys_of(context)):
        yield from guarded(_NAME, _key(context, arn), denied=skip)


def _keys_of(context: Context) -> set[str]:
    """Return the key ARNs in the templates. A key that a template creates is a ``Ref`` instead."""
    texts = (json.dumps(one.resources) for one in context.plan.templates)
    return {match.group() for text in texts for match in _KEY_ARN.finditer(text)}


def _key(context: Context, arn: str) -> Step[None]:
    match = _KEY_ARN.match(arn)
    region, owner = match.groups() if match else ("", "")
    if region != context.region:
        yield fail(
            _NAME,
            f"{arn} is in {region}, but the stack is for {context.region}",
            "A key can be used only in its region: give a key of this region as encryption_key.",
        )
        return
    if owner != context.account_id:
        yield skip(
            _NAME,
            f"{arn} is in account {owner}, whose key policies cannot be read from here",
            "Its policy must allow this account; `make synth` shows the principals.",
        )
        return
    client = context.account.client("kms")
    state = client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    if state != "Enabled":
        yield fail(_NAME, f"{arn} is {state}", "Enable it, or give another key as encryption_key.")
        return
    policy = client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    yield from _policy(context, arn, policy)


def _policy(context: Context, arn: str, policy: str) -> Iterator[Finding]:
    statements = statements_of(policy)
    users = list(_users(context, arn))
    refused = [(user, missing_actions(statements, user.principals, user.actions)) for user in users]
    refused = [(user, missing) for user, missing in refused if missing]
    for user, missing in refused:
        yield fail(
            _NAME,
            f"the policy of {arn} does not allow {user.what} to use {', '.join(missing)}",
            f"{user.without} Add a statement to the key's policy with the principal "
            f"{user.principals[0].partition(':')[2]}.",
        )
    if not refused:
        yield ok(_NAME, f"{arn}: its policy allows {_words([one.what for one in users])} to use it")


def _users(context: Context, arn: str) -> Iterator[User]:
    partition = arn.split(":")[1]
    suffix = dns_suffix(partition)
    root = f"arn:{partition}:iam::{context.account_id}:root"
    yield User(
        "the account's IAM policies",
        (f"AWS:{root}", f"AWS:{context.account_id}"),
        _USES,
        "IAM policies allow the functions' roles, but apply only if the key's policy enables them.",
    )
    if _has(context, "AWS::Logs::LogGroup", arn):
        # CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS".
        yield User(
            "CloudWatch Logs",
            (f"Service:logs.{context.region}.{suffix}",),
            ("kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey", *_USES),
            "CloudFormation could not create the log groups.",
        )
    if _has(context, "AWS::SNS::Topic", arn) and any(
        context.plan.of_kind("AWS::CloudWatch::Alarm")
    ):
        # SNS Developer Guide, "Enabling compatibility between event sources from AWS services and
        # encrypted topics".
        yield User(
            "alarms",
            ("Service:cloudwatch.amazonaws.com",),
            _USES,
            "Alarms would change their state, but send no message.",
        )


def _has(context: Context, kind: str, arn: str) -> bool:
    return any(arn in json.dumps(one.properties) for one in context.plan.of_kind(kind))


def _words(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
