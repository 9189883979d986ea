from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from emulator import Emulator, EmulatorError
from emulator.tests.support import (
    delete_stack,
    deploy,
    outputs,
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


def key(session: str, at: int) -> dict[str, Any]:
    return {"session": {"S": session}, "at": {"S": f"{at:02}"}}


def put(session: str, at: int, size: int = 100, **attributes: Any) -> dict[str, Any]:
    """A request to put an item of this size in bytes."""
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
    """A client that does not retry."""
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
    }


class TestStacks:
    def test_a_stack_has_a_table_whose_items_expire(self, aws: Emulator) -> None:
        client, stack = aws.client("dynamodb"), unique("stack")
        created = deploy(aws, stack, resource())
        assert created["StackStatus"] == "CREATE_COMPLETE"
        name = outputs(created)["TableRef"]
        assert self.expiry(client, name) == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "expiry",
        }
        write(aws, name, put("1", 1))
        off = {"TimeToLiveSpecification": {"AttributeName": "expiry", "Enabled": False}}
        changed = deploy(aws, stack, resource(**off))
        assert changed["StackStatus"] == "UPDATE_COMPLETE"
        assert self.expiry(client, name) == {"TimeToLiveStatus": "DISABLED"}
        assert found(query(aws, name, "1")) == [1]
        delete_stack(aws, stack)
        with refused("ResourceNotFoundException"):
            client.describe_table(TableName=name)

    @staticmethod
    def expiry(client: Any, name: str) -> Any:
        return client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
