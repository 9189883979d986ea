"""A whole account with one subscription; lines through Kinesis, of this account and of another.

The tests of a class are one story and run in their order.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from openreplay_cw_stack.commands import main
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import Deployment, eventually
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

SESSION = 4118144119896553030
GOOD = token_tag(a_token(session_id=SESSION, expires_ms=2**50))
THIS_ACCOUNT = "000000000000"
OTHER_ACCOUNT = "111111111111"
STRANGER = "222222222222"


def make_group(aws: Emulator, name: str, **options: Any) -> None:
    aws.client("logs").create_log_group(logGroupName=name, **options)


def groups_with_lines(deployment: Deployment) -> set[str]:
    return {line.group for line in deployment.linked_lines()}


def no_loop_ran(aws: Emulator) -> bool:
    """The emulator stops what would go round for ever on AWS, and says so."""
    return "Loop stopped" not in aws.log_path.read_text()


@pytest.fixture(scope="class")
def deployment(
    request: pytest.FixtureRequest, aws: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The stack of a class, until its tests are done."""
    for name in request.cls.log_groups:
        make_group(aws, name)
    deployment = Deployment(
        aws, tmp_path_factory.mktemp("cdk"), {"removal_policy": "destroy", **request.cls.context}
    )
    deployment.printed.append(deployment.cdk.bootstrap())
    deployment.deploy()
    aws.evaluate_iam(True)
    yield deployment
    aws.evaluate_iam(False)
    deployment.destroy()


class TestWholeAccount:
    log_groups: ClassVar = ["/made/before", "/noise"]
    context: ClassVar = {
        "track_account": "true",
        "excluded_log_groups": "/noise",
        # The key of a service account reads log groups by name.
        "service_account": "false",
    }

    def test_log_groups_that_there_are_and_will_be_are_tracked(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        make_group(aws, "/made/later")
        for name in ("/noise", "/made/before", "/made/later"):
            deployment.put(name, f"{GOOD} ERROR in {name}")
        wanted = {"/made/before", "/made/later"}
        assert eventually(lambda: groups_with_lines(deployment), wanted.__eq__) == wanted
        assert len(deployment.linked_lines()) == 2

    def test_nothing_of_ours_is_fed_back(self, deployment: Deployment, aws: Emulator) -> None:
        policies = aws.client("logs").describe_account_policies(
            policyType="SUBSCRIPTION_FILTER_POLICY"
        )["accountPolicies"]
        (policy,) = policies
        names = json.loads(policy["selectionCriteria"].partition(" NOT IN ")[2])
        every = {
            one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]
        }
        assert every - set(names) == {"/made/before", "/made/later"}
        # A line of our own group that has a tag; CloudWatch Logs does not even deliver it.
        own = next(name for name in names if "ValidatorLogGroup" in name)
        before = len(deployment.linked_lines())
        deployment.put(own, f"{GOOD} ERROR")
        deployment.put("/made/later", f"{GOOD} ERROR again")
        lines = eventually(deployment.linked_lines, lambda lines: len(lines) > before)
        assert len(lines) == before + 1
        assert no_loop_ran(aws)

    def test_an_account_has_one_such_subscription(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        logs = aws.client("logs")
        (policy,) = logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")[
            "accountPolicies"
        ]
        with pytest.raises(ClientError, match="LimitExceeded"):
            logs.put_account_policy(
                policyName="another",
                policyType="SUBSCRIPTION_FILTER_POLICY",
                policyDocument=policy["policyDocument"],
            )


class TestKinesis:
    log_groups: ClassVar[list[str]] = []
    context: ClassVar = {
        "ingest": "kinesis",
        "source_accounts": OTHER_ACCOUNT,
        "new_log_groups": "/app/checkout",
        "bridge": "false",
    }

    def stream(self, aws: Emulator) -> str:
        (name,) = aws.client("kinesis").list_streams()["StreamNames"]
        return str(name)

    def test_lines_arrive_through_the_stream(self, deployment: Deployment) -> None:
        for number in range(5):
            deployment.put("/app/checkout", f"{GOOD} ERROR {number}", stream=f"web-{number}")
        lines = eventually(deployment.linked_lines, lambda lines: len(lines) >= 5)
        wanted = [f"ERROR {number}" for number in range(5)]
        assert sorted(line.message for line in lines) == wanted
        assert {(line.owner, line.group) for line in lines} == {(THIS_ACCOUNT, "/app/checkout")}
        assert {line.stream for line in lines} == {f"web-{number}" for number in range(5)}
        (found,) = deployment.aws.client("logs").describe_subscription_filters(
            logGroupName="/app/checkout"
        )["subscriptionFilters"]
        assert found["distribution"] == "Random"

    def test_the_check_follows_the_stream(
        self,
        deployment: Deployment,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        for name, value in deployment.aws.child_environment().items():
            monkeypatch.setenv(name, value)
        main(["check", "--stack", deployment.stack, "--json"])
        (found,) = json.loads(capsys.readouterr().out)["deployments"]
        steps = [one for one in found["steps"] if one["name"] in ("tracked log group", "delivery")]
        assert [one["status"] for one in steps] == ["ok"] * 3, steps
        assert "5 lines forwarded" in steps[-1]["detail"]

    def test_another_account_subscribes_its_log_group(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        theirs = aws.client("logs", access_key_id=OTHER_ACCOUNT)
        theirs.create_log_group(logGroupName="/app/checkout")
        theirs.create_log_stream(logGroupName="/app/checkout", logStreamName="web-1")
        theirs.put_subscription_filter(
            logGroupName="/app/checkout",
            filterName="OpenReplay",
            filterPattern=FILTER_PATTERN,
            destinationArn=deployment.outputs["IngestDestinationArn"],
            distribution="Random",
        )
        event = {"timestamp": int(time.time() * 1000), "message": f"{GOOD} ERROR of theirs"}
        theirs.put_log_events(
            logGroupName="/app/checkout", logStreamName="web-1", logEvents=[event]
        )

        def of_theirs() -> list[LinkedLine]:
            return [line for line in deployment.linked_lines() if line.owner == OTHER_ACCOUNT]

        (line,) = eventually(of_theirs, bool)
        assert (line.group, line.message) == ("/app/checkout", "ERROR of theirs")

    def test_an_account_that_is_not_named_is_refused(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        stranger = aws.client("logs", access_key_id=STRANGER)
        stranger.create_log_group(logGroupName="/app")
        with pytest.raises(ClientError, match="AccessDenied"):
            stranger.put_subscription_filter(
                logGroupName="/app",
                filterName="OpenReplay",
                filterPattern="",
                destinationArn=deployment.outputs["IngestDestinationArn"],
            )

    def test_a_record_that_is_no_payload_stops_nothing(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        before = len(deployment.linked_lines())
        kinesis, stream = aws.client("kinesis"), self.stream(aws)
        deployment.put("/app/checkout", f"{GOOD} ERROR before")
        kinesis.put_record(StreamName=stream, Data=b"rubbish", PartitionKey="1")
        deployment.put("/app/checkout", f"{GOOD} ERROR after")
        lines = eventually(deployment.linked_lines, lambda lines: len(lines) >= before + 2)
        assert len(lines) == before + 2
        counted = eventually(lambda: deployment.metric("UnusablePayloads"), bool)
        assert counted == 1
        assert eventually(lambda: deployment.messages_in(self.dead_letters(deployment)), bool) == 1

    def dead_letters(self, deployment: Deployment) -> str:
        return deployment.outputs["DeadLetterQueueUrl"]

    def test_what_cannot_be_stored_comes_again_until_it_can(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        iam = aws.client("iam")
        (role,) = [
            one["RoleName"]
            for one in iam.list_roles()["Roles"]
            if "ValidatorRole" in one["RoleName"]
        ]
        denied = {"Effect": "Deny", "Action": "dynamodb:BatchWriteItem", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        iam.put_role_policy(RoleName=role, PolicyName="broken", PolicyDocument=document)
        deployment.put("/app/checkout", f"{GOOD} ERROR in the dark")
        failure = "a record failed: AccessDeniedException"
        assert failure in eventually(
            lambda: deployment.printed_by("ValidatorLogGroup"), lambda printed: failure in printed
        )
        # The stream is the retry queue.
        assert deployment.messages_in(deployment.outputs["RetryQueueUrl"]) == 0
        iam.delete_role_policy(RoleName=role, PolicyName="broken")
        messages = eventually(
            lambda: [line.message for line in deployment.linked_lines()],
            lambda seen: any("in the dark" in one for one in seen),
        )
        assert sum("in the dark" in one for one in messages) == 1

    def test_what_the_stream_gave_up_on_is_replayed(
        self,
        deployment: Deployment,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A failure record of Lambda has shard and sequence numbers; the stream has the data."""
        sqs, kinesis = deployment.aws.client("sqs"), deployment.aws.client("kinesis")
        queue, stream = self.dead_letters(deployment), self.stream(deployment.aws)
        sqs.purge_queue(QueueUrl=queue)
        event = {"id": "9" * 56, "timestamp": 1, "message": f"{GOOD} ERROR given up"}
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": THIS_ACCOUNT,
            "logGroup": "/app/checkout",
            "logStream": "web-9",
            "subscriptionFilters": ["x"],
            "logEvents": [event],
        }
        data = gzip.compress(json.dumps(document).encode())
        put = kinesis.put_record(StreamName=stream, Data=data, PartitionKey="9")

        def stored() -> int:
            return sum(line.message == "ERROR given up" for line in deployment.linked_lines())

        assert eventually(stored, bool) == 1
        for item in deployment.items():
            key = {name: item[name] for name in ("session", "item")}
            deployment.aws.client("dynamodb").delete_item(
                TableName=deployment.session_table, Key=key
            )
        described = kinesis.describe_stream_summary(StreamName=stream)
        letter = {
            "requestContext": {"condition": "RetryAttemptsExhausted"},
            "KinesisBatchInfo": {
                "shardId": put["ShardId"],
                "startSequenceNumber": put["SequenceNumber"],
                "endSequenceNumber": put["SequenceNumber"],
                "batchSize": 1,
                "streamArn": described["StreamDescriptionSummary"]["StreamARN"],
            },
        }
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
        for name, value in deployment.aws.child_environment().items():
            monkeypatch.setenv(name, value)
        assert main(["replay", "--stack", deployment.stack]) == 0, capsys.readouterr()
        assert eventually(stored, bool) == 1
        assert deployment.messages_in(queue) == 0

    def test_there_is_a_way_back_to_direct_and_forth(
        self, deployment: Deployment, aws: Emulator
    ) -> None:
        through_kinesis = dict(deployment.context)
        direct = {**through_kinesis, "ingest": "direct"}
        del direct["source_accounts"]
        for number, context in enumerate((direct, through_kinesis)):
            aws.evaluate_iam(False)
            deployment.context = context
            deployment.deploy()
            aws.evaluate_iam(True)
            streams = aws.client("kinesis").list_streams()["StreamNames"]
            assert len(streams) == number
            wanted = len(deployment.linked_lines()) + 1
            deployment.put("/app/checkout", f"{GOOD} ERROR after change {number}")
            assert eventually(lambda: len(deployment.linked_lines()), wanted.__eq__) == wanted

    def test_no_loop_ran(self, aws: Emulator) -> None:
        assert no_loop_ran(aws)
