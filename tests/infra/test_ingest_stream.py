from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from openreplay_cw_stack import Ingest, OpenReplayCloudWatch
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    a_stack,
    an_app,
    only,
    resources,
    statements_of,
    template_of,
)

ACCOUNTS = ["111111111111", "222222222222"]


@pytest.fixture(scope="module")
def through_kinesis() -> assertions.Template:
    return template_of(a_stack(ingest=Ingest.KINESIS, new_log_groups=["/a", "/b"]))


def name_of_only(template: assertions.Template, kind: str, within: str = "") -> str:
    (name,) = [one for one in resources(template, kind) if within in one]
    return name


def test_without_it_there_is_no_stream(template: assertions.Template) -> None:
    (one,) = resources(template, "AWS::Logs::SubscriptionFilter").values()
    assert "Distribution" not in one["Properties"]
    assert resources(template, "AWS::Kinesis::Stream") == {}
    mappings = resources(template, "AWS::Lambda::EventSourceMapping")
    assert not [one for one in mappings if "Ingest" in one]


def test_the_stream_is_encrypted_and_keeps_what_was_given_up(
    through_kinesis: assertions.Template,
) -> None:
    stream = only(through_kinesis, "AWS::Kinesis::Stream")
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    mapping = only(through_kinesis, "AWS::Lambda::EventSourceMapping", "IngestMapping")
    assert stream["RetentionPeriodHours"] == 7 * 24
    assert stream["RetentionPeriodHours"] * 3600 > mapping["MaximumRecordAgeInSeconds"]


def test_every_filter_names_the_stream_and_a_role(through_kinesis: assertions.Template) -> None:
    stream = name_of_only(through_kinesis, "AWS::Kinesis::Stream")
    role = name_of_only(through_kinesis, "AWS::IAM::Role", "IngestRole")
    policy = name_of_only(through_kinesis, "AWS::IAM::ManagedPolicy", "IngestPolicy")
    mapping = name_of_only(through_kinesis, "AWS::Lambda::EventSourceMapping", "IngestMapping")
    filters = resources(through_kinesis, "AWS::Logs::SubscriptionFilter").values()
    assert len(filters) == 2
    for one in filters:
        assert one["Properties"]["DestinationArn"] == {"Fn::GetAtt": [stream, "Arn"]}
        assert one["Properties"]["RoleArn"] == {"Fn::GetAtt": [role, "Arn"]}
        assert one["Properties"]["Distribution"] == "Random"
        assert {policy, mapping} <= set(one["DependsOn"])
    assert statements_of(through_kinesis, "IngestPolicy")["PutPayloads"]["Action"] == (
        "kinesis:PutRecord"
    )
    permissions = resources(through_kinesis, "AWS::Lambda::Permission")
    assert not any("Validator" in name for name in permissions)


def test_the_function_reads_it_and_gives_up_into_the_dead_letter_queue(
    through_kinesis: assertions.Template,
) -> None:
    queue = name_of_only(through_kinesis, "AWS::SQS::Queue", "DeadLetterQueue")
    stream = name_of_only(through_kinesis, "AWS::Kinesis::Stream")
    mapping = only(through_kinesis, "AWS::Lambda::EventSourceMapping", "IngestMapping")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [stream, "Arn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRecordAgeInSeconds"] == 24 * 3600
    # Without a number of retries there is no limit of them.
    assert "MaximumRetryAttempts" not in mapping
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] == queue
    read = statements_of(through_kinesis, "ValidatorPolicy")["ReadTheStream"]
    assert read["Resource"] == {"Fn::GetAtt": [stream, "Arn"]}
    assert resources(through_kinesis, "AWS::IAM::Policy") == {}


def test_no_more_batches_at_once_than_the_function_has_reserved(
    through_kinesis: assertions.Template,
) -> None:
    function = only(through_kinesis, "AWS::Lambda::Function", "ValidatorFunction")
    mapping = only(through_kinesis, "AWS::Lambda::EventSourceMapping", "IngestMapping")
    # An on-demand stream begins with four shards.
    assert 4 * mapping["ParallelizationFactor"] <= function["ReservedConcurrentExecutions"]
    assert function["Timeout"] == 300


def test_an_own_key_encrypts_it() -> None:
    template = template_of(a_stack(ingest=Ingest.KINESIS, encryption_key=ENCRYPTION_KEY_ARN))
    encryption = only(template, "AWS::Kinesis::Stream")["StreamEncryption"]
    assert encryption == {"EncryptionType": "KMS", "KeyId": ENCRYPTION_KEY_ARN}
    may_encrypt = statements_of(template, "IngestPolicy")["EncryptPayloads"]
    assert (may_encrypt["Action"], may_encrypt["Resource"]) == (
        "kms:GenerateDataKey",
        ENCRYPTION_KEY_ARN,
    )
    assert "kms:Decrypt" in statements_of(template, "ValidatorPolicy")["UseTheKeys"]["Action"]


class TestSourceAccounts:
    def test_the_destination_is_made_once_iam_knows_its_role(self) -> None:
        template = template_of(a_stack(ingest="kinesis", source_accounts=ACCOUNTS))
        (destination,) = resources(template, "AWS::Logs::Destination").values()
        mapping = name_of_only(template, "AWS::Lambda::EventSourceMapping", "Ingest")
        assert mapping in destination["DependsOn"]

    def test_they_alone_may_subscribe_to_the_destination(self) -> None:
        template = template_of(a_stack(ingest=Ingest.KINESIS, source_accounts=ACCOUNTS))
        destination = only(template, "AWS::Logs::Destination")
        text = "".join(
            one if isinstance(one, str) else f"<{one['Ref']}>"
            for one in destination["DestinationPolicy"]["Fn::Join"][1]
        )
        (statement,) = json.loads(text)["Statement"]
        assert statement["Principal"] == {"AWS": ACCOUNTS}
        assert statement["Action"] == ["logs:PutSubscriptionFilter", "logs:PutAccountPolicy"]
        assert statement["Resource"].endswith(f":destination:{destination['DestinationName']}")
        role = only(template, "AWS::IAM::Role", "IngestRole")
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        for account in ACCOUNTS:
            assert account in trust

    def test_the_outputs_say_how(self) -> None:
        stack = a_stack(
            ingest=Ingest.KINESIS,
            source_accounts=ACCOUNTS,
            new_log_groups=[],
            service_account=False,
        )
        outputs = template_of(stack).to_json()["Outputs"]
        assert "IngestDestinationArn" in outputs
        command = json.dumps(outputs["SubscribeCommand"]["Value"])
        assert "aws logs put-subscription-filter" in command
        assert json.dumps(FILTER_PATTERN)[1:-1] in command
        assert "--distribution Random" in command

    def test_without_any_there_is_no_destination(
        self, through_kinesis: assertions.Template
    ) -> None:
        assert resources(through_kinesis, "AWS::Logs::Destination") == {}


def test_names_of_deployments_differ() -> None:
    names = set()
    for name in ("One", "Other"):
        stack = cdk.Stack(an_app(), name)
        OpenReplayCloudWatch(
            stack,
            "Replay",
            ingest=Ingest.KINESIS,
            source_accounts=ACCOUNTS,
            service_account=False,
        )
        names.add(only(template_of(stack), "AWS::Logs::Destination")["DestinationName"])
    assert len(names) == 2
