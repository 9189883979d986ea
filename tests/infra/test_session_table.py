from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from openreplay_cw_stack import OpenReplayCloudWatch
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    SESSION_TABLE_ARN,
    a_stack,
    an_app,
    environment_of,
    only,
    resources,
    statements_of,
    template_of,
)

STRING = dynamodb.AttributeType.STRING


def a_table(stack: cdk.Stack, construct_id: str = "Table", **changes: Any) -> dynamodb.Table:
    """A table of the right shape, but for what is changed."""
    shape = {
        "partition_key": dynamodb.Attribute(name=PARTITION_KEY, type=STRING),
        "sort_key": dynamodb.Attribute(name=SORT_KEY, type=STRING),
        "time_to_live_attribute": TIME_TO_LIVE,
    }
    return dynamodb.Table(stack, construct_id, **{**shape, **changes})


def an_integration(stack: cdk.Stack, **keywords: Any) -> OpenReplayCloudWatch:
    return OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/app/checkout"], **keywords)


class TestNewTable:
    def test_keys_time_to_live_and_billing(self, template: assertions.Template) -> None:
        table = only(template, "AWS::DynamoDB::Table")
        assert table == {
            "AttributeDefinitions": [
                {"AttributeName": "session", "AttributeType": "S"},
                {"AttributeName": "item", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "session", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            "BillingMode": "PAY_PER_REQUEST",
        }

    def test_it_is_kept_unless_asked_otherwise(self, template: assertions.Template) -> None:
        (kept,) = resources(template, "AWS::DynamoDB::Table").values()
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Retain",
        )
        destroyed = template_of(a_stack(removal_policy=cdk.RemovalPolicy.DESTROY))
        (table,) = resources(destroyed, "AWS::DynamoDB::Table").values()
        assert table["DeletionPolicy"] == "Delete"

    def test_an_own_key_encrypts_it(self) -> None:
        table = only(
            template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN)), "AWS::DynamoDB::Table"
        )
        assert table["SSESpecification"] == {
            "KMSMasterKeyId": ENCRYPTION_KEY_ARN,
            "SSEEnabled": True,
            "SSEType": "KMS",
        }

    def test_a_cost_brake(self) -> None:
        table = only(template_of(a_stack(session_table_write_limit=200)), "AWS::DynamoDB::Table")
        assert table["OnDemandThroughput"] == {"MaxWriteRequestUnits": 200}

    def test_retention(self, template: assertions.Template) -> None:
        assert environment_of(template, "Validator")["LINE_RETENTION_SECONDS"] == "2592000"
        week = template_of(a_stack(line_retention=cdk.Duration.days(7)))
        assert environment_of(week, "Validator")["LINE_RETENTION_SECONDS"] == "604800"


class TestExistingTable:
    def test_one_of_the_same_app(self, stack: cdk.Stack) -> None:
        table = a_table(stack)
        integration = an_integration(stack, session_table=table)
        assert integration.session_table is table
        template = template_of(stack)
        (name,) = resources(template, "AWS::DynamoDB::Table")
        store = statements_of(template, "ValidatorPolicy")["StoreLinkedLines"]
        assert store["Resource"] == {"Fn::GetAtt": [name, "Arn"]}

    def test_one_of_another_region_and_account(self) -> None:
        template = template_of(a_stack(session_table=SESSION_TABLE_ARN))
        assert resources(template, "AWS::DynamoDB::Table") == {}
        for function in ("Validator", "Bridge"):
            assert environment_of(template, function)["SESSION_TABLE_ARN"] == SESSION_TABLE_ARN
        read = statements_of(template, "BridgePolicy")["ReadLinkedLines"]
        assert read["Resource"] == SESSION_TABLE_ARN
        outputs = template.to_json()["Outputs"]
        assert outputs["SessionTableArn"]["Value"] == SESSION_TABLE_ARN
        assert outputs["SessionTableName"]["Value"] == "sessions"

    @pytest.mark.parametrize("version", ["Table", "TableV2"])
    def test_other_keys_are_refused(self, stack: cdk.Stack, version: str) -> None:
        table = getattr(dynamodb, version)(
            stack, "Table", partition_key=dynamodb.Attribute(name="id", type=STRING)
        )
        with pytest.raises(ValueError, match="has the keys") as refused:
            an_integration(stack, session_table=table)
        for words in ("the table at Host/Table", "'id' (S, HASH)", "the partition key 'session'"):
            assert words in str(refused.value)
        assert stack.node.try_find_child("OpenReplay") is None

    def test_another_type_is_refused(self, stack: cdk.Stack) -> None:
        number = dynamodb.Attribute(name=SORT_KEY, type=dynamodb.AttributeType.NUMBER)
        with pytest.raises(ValueError, match=r"'item' \(N, RANGE\)"):
            an_integration(stack, session_table=a_table(stack, sort_key=number))

    @pytest.mark.parametrize("attribute", [None, "ttl"])
    def test_another_time_to_live_is_refused(self, stack: cdk.Stack, attribute: str | None) -> None:
        table = a_table(stack, time_to_live_attribute=attribute)
        with pytest.raises(ValueError, match=f"has the time to live attribute {attribute!r}"):
            an_integration(stack, session_table=table)

    def test_a_table_of_the_second_version_fits(self, stack: cdk.Stack) -> None:
        table = dynamodb.TableV2(
            stack,
            "Table",
            partition_key=dynamodb.Attribute(name=PARTITION_KEY, type=STRING),
            sort_key=dynamodb.Attribute(name=SORT_KEY, type=STRING),
            time_to_live_attribute=TIME_TO_LIVE,
        )
        an_integration(stack, session_table=table)
        template_of(stack)


class TestKeyOfTheTable:
    """Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest: usage notes"."""

    def test_readers_and_writers_use_it_through_dynamodb(self) -> None:
        template = template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN))
        via = {"Fn::Join": ["", ["dynamodb.", {"Ref": "AWS::Region"}, ".", _suffix()]]}
        condition = {"StringEquals": {"kms:ViaService": via}}
        write = statements_of(template, "ValidatorPolicy")["UseTheTablesKey"]
        assert sorted(write["Action"]) == [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ]
        read = statements_of(template, "BridgePolicy")["UseTheTablesKey"]
        assert read["Action"] == ["kms:Decrypt", "kms:DescribeKey"]
        for statement in (write, read):
            assert statement["Resource"] == ENCRYPTION_KEY_ARN
            assert statement["Condition"] == condition

    def test_of_an_existing_table_in_its_region(self, stack: cdk.Stack) -> None:
        key = kms.Key.from_key_arn(stack, "Key", ENCRYPTION_KEY_ARN)
        table = dynamodb.Table.from_table_attributes(
            stack, "Table", table_arn=SESSION_TABLE_ARN, encryption_key=key
        )
        an_integration(stack, session_table=table)
        read = statements_of(template_of(stack), "BridgePolicy")["UseTheTablesKey"]
        via = read["Condition"]["StringEquals"]["kms:ViaService"]
        assert via == {"Fn::Join": ["", ["dynamodb.us-east-1.", _suffix()]]}

    def test_without_one_no_key_is_named(self, template: assertions.Template) -> None:
        for policy in ("ValidatorPolicy", "BridgePolicy"):
            assert "UseTheTablesKey" not in statements_of(template, policy)


def _suffix() -> dict[str, str]:
    return {"Ref": "AWS::URLSuffix"}


def test_grant_read_lines(stack: cdk.Stack) -> None:
    reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
    key = kms.Key(stack, "Key")
    an_integration(stack, encryption_key=key).grant_read_lines(reader)
    document = only(template_of(stack), "AWS::IAM::Policy", "Reader")["PolicyDocument"]
    query, use = document["Statement"]
    assert query["Action"] == "dynamodb:Query"
    assert "SessionTable" in json.dumps(query["Resource"])
    assert use["Action"] == ["kms:Decrypt", "kms:DescribeKey"]
    assert "kms:ViaService" in json.dumps(use["Condition"])


def test_its_logical_id_stays() -> None:
    """A table that is replaced loses every linked line."""
    app = an_app()
    stack = cdk.Stack(app, "Host")
    an_integration(stack)
    (name,) = resources(template_of(stack), "AWS::DynamoDB::Table")
    assert name.startswith("OpenReplaySessionTable")
