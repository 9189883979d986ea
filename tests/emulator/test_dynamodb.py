from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from emulator import Emulator, EmulatorError
from tests.emulator.support import (
    ACCOUNT,
    allow,
    delete_stack,
    deploy,
    iam_evaluated,
    outputs,
    policy,
    unique,
)

pytestmark = pytest.mark.emulator

KIB = 1024
PROPERTIES: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "session", "KeyType": "HASH"},
        {"AttributeName": "at", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "session", "AttributeType": "S"},
        {"AttributeName": "at", "AttributeType": "S"},
    ],
}
# The names and the keys of an item with a partition key of one digit and a sort key of two.
OVERHEAD = len("session") + 1 + len("at") + 2 + len("lines")


@pytest.fixture(autouse=True)
def _without_faults(aws: Emulator) -> Iterator[None]:
    yield
    aws.clear_faults()


@pytest.fixture
def table(aws: Emulator) -> str:
    return create_table(aws.client("dynamodb")).rpartition("/")[2]


def create_table(client: Any) -> str:
    created = client.create_table(TableName=unique("table"), **PROPERTIES)
    return str(created["TableDescription"]["TableArn"])


def arn_of(aws: Emulator, table: str) -> str:
    return f"arn:aws:dynamodb:{aws.region}:{ACCOUNT}:table/{table}"


def key(session: str, at: int) -> dict[str, Any]:
    return {"session": {"S": session}, "at": {"S": f"{at:02}"}}


def put(session: str, at: int, size: int = 100, **attributes: Any) -> dict[str, Any]:
    """A request to put an item of so many bytes."""
    lines = {"B": b"x" * (size - OVERHEAD)}
    return {"PutRequest": {"Item": {**key(session, at), "lines": lines, **attributes}}}


def delete(session: str, at: int) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key(session, at)}}


def write(aws: Emulator, table: str, *requests: dict[str, Any], client: Any = None) -> Any:
    return (client or aws.client("dynamodb")).batch_write_item(
        RequestItems={table: list(requests)}, ReturnConsumedCapacity="TOTAL"
    )


def query(aws: Emulator, table: str, session: str, *, client: Any = None, **options: Any) -> Any:
    return (client or aws.client("dynamodb")).query(
        TableName=table,
        KeyConditionExpression="#session = :session",
        ExpressionAttributeNames={"#session": "session"},
        ExpressionAttributeValues={":session": {"S": session}},
        ReturnConsumedCapacity="TOTAL",
        **options,
    )


def found(answer: Any) -> list[int]:
    return [int(item["at"]["S"]) for item in answer["Items"]]


def units(answer: Any) -> float:
    consumed = answer["ConsumedCapacity"]
    (one,) = consumed if isinstance(consumed, list) else [consumed]
    return float(one["CapacityUnits"])


def once(aws: Emulator, *, timeout: float = 30) -> Any:
    """A client that does not repeat calls."""
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=timeout, proxies={})
    return boto3.client(
        "dynamodb",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=settings,
    )


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


class TestCapacity:
    def test_a_write_costs_a_unit_for_each_kilobyte(self, aws: Emulator, table: str) -> None:
        assert units(write(aws, table, put("1", 1, KIB))) == 1
        assert units(write(aws, table, put("1", 2, KIB + 1))) == 2
        assert units(write(aws, table, put("2", 1), put("2", 2, 3 * KIB), put("3", 1))) == 5

    def test_the_larger_of_the_old_and_the_new_item_counts(self, aws: Emulator, table: str) -> None:
        write(aws, table, put("1", 1, 5 * KIB), put("1", 2, 3 * KIB))
        assert units(write(aws, table, put("1", 1))) == 5
        assert units(write(aws, table, put("1", 1, 2 * KIB))) == 2
        assert units(write(aws, table, delete("1", 2))) == 3
        assert units(write(aws, table, delete("1", 2))) == 1

    @pytest.mark.parametrize(
        ("sizes", "expected"), [([], 1), ([4096], 1), ([4097], 2), ([2000] * 3, 2), ([100] * 3, 1)]
    )
    def test_a_read_costs_half_a_unit_for_each_four_kilobytes(
        self, aws: Emulator, table: str, sizes: list[int], expected: int
    ) -> None:
        if sizes:
            write(aws, table, *(put("1", at, size) for at, size in enumerate(sizes)))
        assert units(query(aws, table, "1")) == expected / 2
        assert units(query(aws, table, "1", ConsistentRead=True)) == expected

    def test_what_is_read_counts_and_not_what_is_answered(self, aws: Emulator, table: str) -> None:
        write(aws, table, put("1", 1, 9000), put("1", 2, 9000))
        assert units(query(aws, table, "1", ProjectionExpression="absent_too")) == 2.5
        none = {"FilterExpression": "attribute_exists(absent_too)"}
        answer = query(aws, table, "1", **none)
        assert (found(answer), units(answer)) == ([], 2.5)
        assert units(query(aws, table, "1", Limit=1)) == 1.5
        one = aws.client("dynamodb").get_item(
            TableName=table, Key=key("1", 1), ReturnConsumedCapacity="TOTAL"
        )
        assert units(one) == 1.5


class TestPages:
    def test_a_page_ends_at_one_megabyte(self, aws: Emulator, table: str) -> None:
        for at in range(5):
            write(aws, table, put("1", at, 300_000))
        first = query(aws, table, "1")
        assert found(first) == [0, 1, 2]
        assert units(first) == 110
        second = query(aws, table, "1", ExclusiveStartKey=first["LastEvaluatedKey"])
        assert found(second) == [3, 4]
        assert "LastEvaluatedKey" not in second

    def test_order_and_limit(self, aws: Emulator, table: str) -> None:
        write(aws, table, *(put("1", at) for at in (5, 11, 3)), put("2", 4))
        assert found(query(aws, table, "1")) == [3, 5, 11]
        newest = query(aws, table, "1", ScanIndexForward=False, Limit=1)
        assert found(newest) == [11]
        assert newest["LastEvaluatedKey"] == key("1", 11)


class TestBatches:
    @pytest.mark.parametrize(
        "requests",
        [
            [put("1", at) for at in range(26)],
            [put("1", 1), put("1", 2, 400 * KIB + 1)],
            [put("1", 1), delete("1", 1)],
            [put("1", 1), {"PutRequest": {"Item": {"session": {"S": "1"}}}}],
            [put("1", 1), {"PutRequest": {"Item": {**key("1", 2), "session": {"N": "1"}}}}],
            [put("1", 1), {"DeleteRequest": {"Key": {"session": {"S": "1"}}}}],
        ],
        ids=["26", "too large", "duplicates", "no sort key", "wrong type", "incomplete key"],
    )
    def test_one_bad_request_refuses_the_batch(
        self, aws: Emulator, table: str, requests: list[dict[str, Any]]
    ) -> None:
        with refused("ValidationException"):
            write(aws, table, *requests)
        assert found(query(aws, table, "1")) == []

    def test_the_largest_item_and_the_largest_batch(self, aws: Emulator, table: str) -> None:
        write(aws, table, *(put("1", at, 400 * KIB) for at in range(25)))
        assert found(query(aws, table, "1", ScanIndexForward=False, Limit=1)) == [24]

    def test_a_request_has_at_most_16_megabytes(self, aws: Emulator, table: str) -> None:
        # Six bytes of JSON for one of an item.
        lines = {"S": "\x01" * (150 * KIB)}
        requests = [put("1", at, lines=lines) for at in range(18)]
        assert write(aws, table, *requests)["UnprocessedItems"] == {}
        with refused("ValidationException"):
            write(aws, table, *requests, put("1", 19, lines=lines))


def test_a_table_is_called_by_its_arn(aws: Emulator, table: str) -> None:
    client, arn = aws.client("dynamodb"), arn_of(aws, table)
    aws.inject_fault("dynamodb", "BatchWriteItem", unprocessed=1)
    answer = write(aws, arn, put("1", 1), put("1", 2))
    assert answer["UnprocessedItems"] == {arn: [put("1", 1)]}
    assert answer["ConsumedCapacity"][0]["TableName"] == arn
    answer = query(aws, arn, "1")
    assert found(answer) == [2]
    assert answer["ConsumedCapacity"]["TableName"] == arn
    client.delete_item(TableName=arn, Key=key("1", 2))
    assert found(query(aws, table, "1")) == []
    assert client.describe_table(TableName=arn)["Table"]["TableName"] == table
    found_expiry = client.describe_time_to_live(TableName=arn)["TimeToLiveDescription"]
    assert found_expiry == {"TimeToLiveStatus": "DISABLED"}


class TestFaults:
    def test_items_come_back_unprocessed(self, aws: Emulator, table: str) -> None:
        aws.inject_fault("dynamodb", "BatchWriteItem", unprocessed=2, times=1)
        requests = [put("1", at) for at in range(3)]
        answer = write(aws, table, *requests)
        assert answer["UnprocessedItems"] == {table: requests[:2]}
        assert units(answer) == 1
        assert found(query(aws, table, "1")) == [2]
        assert write(aws, table, *requests[:2])["UnprocessedItems"] == {}
        assert found(query(aws, table, "1")) == [0, 1, 2]
        assert aws.faults_met() == [1]

    def test_a_batch_of_which_nothing_can_be_written_fails(self, aws: Emulator, table: str) -> None:
        aws.inject_fault("dynamodb", "BatchWriteItem", unprocessed=25, times=None)
        client = once(aws)
        with refused("ProvisionedThroughputExceededException"):
            write(aws, table, put("1", 1), client=client)
        with refused("ResourceNotFoundException"):
            write(aws, f"{table}-none", put("1", 1), client=client)

    def test_a_hot_partition(self, aws: Emulator, table: str) -> None:
        aws.inject_fault(
            "dynamodb", "BatchWriteItem", unprocessed=25, partition_keys=["1"], times=None
        )
        answer = write(aws, table, put("1", 1), put("2", 1), delete("1", 2))
        assert answer["UnprocessedItems"] == {table: [put("1", 1), delete("1", 2)]}
        write(aws, table, put("2", 2))
        assert found(query(aws, table, "2")) == [1, 2]
        assert aws.faults_met() == [1]

    def test_a_call_for_one_partition_is_throttled(self, aws: Emulator, table: str) -> None:
        code, client = "ProvisionedThroughputExceededException", once(aws)
        aws.inject_fault("dynamodb", "Query", error=code, match='"1"', times=None)
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException) as error:
            query(aws, table, "1", client=client)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert found(query(aws, table, "2", client=client)) == []

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("ThrottlingException", 400),
            ("ValidationException", 400),
            ("AccessDeniedException", 400),
            ("ResourceNotFoundException", 400),
            ("InternalServerError", 500),
        ],
    )
    def test_an_error_has_its_status(
        self, aws: Emulator, table: str, code: str, status: int
    ) -> None:
        aws.inject_fault("dynamodb", "BatchWriteItem", error=code)
        with refused(code) as error:
            write(aws, table, put("1", 1), client=once(aws))
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    @pytest.mark.parametrize("made", [False, True])
    def test_a_call_without_an_answer(self, aws: Emulator, table: str, made: bool) -> None:
        aws.inject_fault("dynamodb", "BatchWriteItem", delay=2, after=made)
        with pytest.raises(ReadTimeoutError):
            write(aws, table, put("1", 1), client=once(aws, timeout=0.5))
        assert found(query(aws, table, "1")) == ([1] if made else [])

    def test_partition_keys_alone_are_no_fault(self, aws: Emulator) -> None:
        with pytest.raises(EmulatorError, match="partition_keys"):
            aws.inject_fault("dynamodb", "BatchWriteItem", partition_keys=["1"])


class TestTimeToLive:
    def test_expired_items_stay_until_they_are_deleted(self, aws: Emulator, table: str) -> None:
        aws.client("dynamodb").update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiry"}
        )
        now = int(time.time())
        expiries = [
            {"N": str(now - 60)},
            {"N": str(now + 60)},
            {"N": str(now - 6 * 366 * 24 * 3600)},
            {"S": str(now - 60)},
        ]
        write(aws, table, put("1", 9), *(put("1", i, expiry=x) for i, x in enumerate(expiries)))
        assert found(query(aws, table, "1")) == [0, 1, 2, 3, 9]
        assert aws.delete_expired_items() == 1
        assert found(query(aws, table, "1")) == [1, 2, 3, 9]
        assert aws.delete_expired_items(now + 61) == 1
        assert found(query(aws, table, "1")) == [2, 3, 9]

    def test_nothing_expires_without_time_to_live(self, aws: Emulator, table: str) -> None:
        write(aws, table, put("1", 1, expiry={"N": "1"}))
        assert aws.delete_expired_items() == 0


def test_actions_are_authorised_on_the_table(aws: Emulator, table: str) -> None:
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    new = iam.create_access_key(UserName=user)["AccessKey"]
    calls: dict[str, Any] = {
        "BatchWriteItem": lambda c, t: write(aws, t, put("1", 1), client=c),
        "Query": lambda c, t: query(aws, t, "1", client=c),
        "PutItem": lambda c, t: c.put_item(TableName=t, Item=key("1", 1)),
        "GetItem": lambda c, t: c.get_item(TableName=t, Key=key("1", 1)),
        "DeleteItem": lambda c, t: c.delete_item(TableName=t, Key=key("1", 1)),
        "Scan": lambda c, t: c.scan(TableName=t),
        "DescribeTable": lambda c, t: c.describe_table(TableName=t),
        "DescribeTimeToLive": lambda c, t: c.describe_time_to_live(TableName=t),
    }
    client = aws.client(
        "dynamodb", access_key_id=new["AccessKeyId"], secret_access_key=new["SecretAccessKey"]
    )

    def permit(action: str, resource: str) -> None:
        statement = allow(f"dynamodb:{action}", resource)
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=policy(statement))

    with iam_evaluated(aws):
        for permitted in calls:
            permit(permitted, arn_of(aws, table))
            for action, call in calls.items():
                for name in (table, arn_of(aws, table)):
                    if action == permitted:
                        call(client, name)
                    else:
                        with refused("AccessDeniedException"):
                            call(client, name)
            permit(permitted, arn_of(aws, f"{table}-other"))
            with refused("AccessDeniedException"):
                calls[permitted](client, table)


class TestOtherPlaces:
    OTHER = "111111111111"

    @staticmethod
    def client(aws: Emulator, *, region: str = "us-east-1", key: str = "test") -> Any:
        return boto3.client(
            "dynamodb",
            endpoint_url=aws.endpoint_url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="test",
            config=Config(proxies={}),
        )

    def test_a_region_has_its_own_tables(self, aws: Emulator) -> None:
        abroad = self.client(aws, region="eu-west-1")
        arn = create_table(abroad)
        assert ":eu-west-1:" in arn
        write(aws, arn, put("1", 1), client=abroad)
        assert found(query(aws, arn, "1", client=abroad)) == [1]
        with refused("ResourceNotFoundException"):
            query(aws, arn, "1")

    def test_a_table_of_another_account(self, aws: Emulator) -> None:
        theirs = self.client(aws, key=self.OTHER)
        arn = create_table(theirs)
        assert f":{self.OTHER}:" in arn
        iam, user = aws.client("iam"), unique("user")
        own = iam.create_user(UserName=user)["User"]["Arn"]
        new = iam.create_access_key(UserName=user)["AccessKey"]
        mine = aws.client(
            "dynamodb", access_key_id=new["AccessKeyId"], secret_access_key=new["SecretAccessKey"]
        )
        iam.put_user_policy(
            UserName=user, PolicyName="own", PolicyDocument=policy(allow("dynamodb:*", arn))
        )
        with iam_evaluated(aws), refused("AccessDeniedException"):
            write(aws, arn, put("1", 1), client=mine)
        theirs.put_resource_policy(
            ResourceArn=arn,
            Policy=policy({**allow("dynamodb:BatchWriteItem", arn), "Principal": {"AWS": own}}),
        )
        with iam_evaluated(aws):
            write(aws, arn, put("1", 1), client=mine)
            with refused("AccessDeniedException"):
                query(aws, arn, "1", client=mine)
            iam.delete_user_policy(UserName=user, PolicyName="own")
            with refused("AccessDeniedException"):
                write(aws, arn, put("1", 1), client=mine)
        assert found(query(aws, arn, "1", client=theirs)) == [1]
        with refused("ResourceNotFoundException"):
            query(aws, arn.rpartition("/")[2], "1")


def resource(**properties: Any) -> dict[str, Any]:
    return {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                **PROPERTIES,
                "TimeToLiveSpecification": {"AttributeName": "expiry", "Enabled": True},
                **properties,
            },
        },
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Type": "String",
                "Value": {"Fn::GetAtt": ["Table", "Arn"]},
            },
        },
    }


class TestStacks:
    def test_a_stack_has_a_table(self, aws: Emulator) -> None:
        client, stack = aws.client("dynamodb"), unique("stack")
        created = deploy(aws, stack, resource())
        assert created["StackStatus"] == "CREATE_COMPLETE"
        name = outputs(created)["TableRef"]
        described = client.describe_table(TableName=name)["Table"]
        assert described["TableStatus"] == "ACTIVE"
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert "SSEDescription" not in described
        parameter = aws.client("ssm").get_parameter(Name=outputs(created)["ParameterRef"])
        assert parameter["Parameter"]["Value"] == described["TableArn"] == arn_of(aws, name)
        assert self.expiry(client, name) == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "expiry",
        }
        write(aws, name, put("1", 1))
        key_arn = f"arn:aws:kms:{aws.region}:{ACCOUNT}:key/1"
        encryption = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key_arn}
        later = {"TimeToLiveSpecification": {"AttributeName": "expiry", "Enabled": False}}
        changed = deploy(aws, stack, resource(SSESpecification=encryption, **later))
        assert changed["StackStatus"] == "UPDATE_COMPLETE"
        described = client.describe_table(TableName=name)["Table"]
        assert described["SSEDescription"]["KMSMasterKeyArn"] == key_arn
        assert described["SSEDescription"]["Status"] == "ENABLED"
        assert self.expiry(client, name) == {"TimeToLiveStatus": "DISABLED"}
        assert found(query(aws, name, "1")) == [1]
        delete_stack(aws, stack)
        with refused("ResourceNotFoundException"):
            client.describe_table(TableName=name)

    @staticmethod
    def expiry(client: Any, name: str) -> Any:
        return client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]

    def test_a_table_is_encrypted_from_the_start(self, aws: Emulator) -> None:
        encryption = {"SSEEnabled": "true", "SSEType": "KMS"}
        created = deploy(aws, unique("stack"), resource(SSESpecification=encryption))
        described = aws.client("dynamodb").describe_table(TableName=outputs(created)["TableRef"])
        assert described["Table"]["SSEDescription"]["SSEType"] == "KMS"

    def test_a_table_can_be_left_behind(self, aws: Emulator) -> None:
        stack, retained = unique("stack"), resource()
        retained["Table"].update(DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
        first = outputs(deploy(aws, stack, retained))["TableRef"]
        write(aws, first, put("1", 1))
        delete_stack(aws, stack)
        assert found(query(aws, first, "1")) == [1]
        second = outputs(deploy(aws, stack, retained))["TableRef"]
        assert second != first
        assert found(query(aws, first, "1")) == [1]
        changed = resource(TimeToLiveSpecification={"AttributeName": "later", "Enabled": True})
        assert outputs(deploy(aws, stack, changed))["TableRef"] == second
        assert self.expiry(aws.client("dynamodb"), second)["AttributeName"] == "later"

    def test_a_name_is_taken_once(self, aws: Emulator, table: str) -> None:
        deployed = deploy(aws, unique("stack"), resource(TableName=table))
        assert deployed["StackStatus"] == "ROLLBACK_COMPLETE"
        assert aws.client("dynamodb").describe_table(TableName=table)
