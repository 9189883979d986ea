"""A session table with a bridge in front of it."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.session.view import SessionView, view_session
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import pack_items
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable, SqsQueueLength
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, ApiKeys, KeysRead, KeyVersion
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.tagging.session_id import EPOCH_MS
from tests.commands.support import TABLE_ARN, function, stack
from tests.runtime.bridge.support import HOUR_MS, NOW_MS, SESSION

RUNNING = (NOW_MS - HOUR_MS - EPOCH_MS) << 24 | 7
RETENTION_SECONDS = 30 * 86_400
_NUMBERS = itertools.count()


def environment(queue: str, **changes: str) -> dict[str, str]:
    return {
        "DEPLOYMENT": "Shop",
        "SESSION_TABLE_ARN": TABLE_ARN,
        "RETRY_QUEUE_URL": queue,
        "API_KEY_SECRET_ARN": "arn:secret",
        "ALLOWED_SOURCE_RANGES": "192.0.2.0/24",
        "SETTLE_SECONDS": "180",
        "SESSION_LIFETIME_SECONDS": "7200",
        "HOLD_UNTIL_OVER": "false",
        "SHOW_LOG_GROUP": "true",
        "DEADLINE_SECONDS": "10",
        "PREVIOUS_KEY_SECONDS": "604800",
        "KEY_REFRESH_SECONDS": "60",
        "LINE_RETENTION_SECONDS": str(RETENTION_SECONDS),
        **changes,
    }


class World:
    """A session table and a retry queue in memory, and a bridge in front of them."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        self.sqs = boto3.client("sqs", region_name="eu-west-1")
        self.queue = self.sqs.create_queue(QueueName="retry")["QueueUrl"]
        self.dynamodb.create_table(
            TableName=TABLE_ARN.rpartition("/")[2],
            KeySchema=[
                {"AttributeName": "session", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("session", "item")
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    @contextmanager
    def another(self) -> Iterator[World]:
        """The same, empty before and after."""
        self.queue = self.sqs.create_queue(QueueName=f"retry-{next(_NUMBERS)}")["QueueUrl"]
        yield self
        for item in self.dynamodb.scan(TableName=TABLE_ARN)["Items"]:
            key = {name: item[name] for name in ("session", "item")}
            self.dynamodb.delete_item(TableName=TABLE_ARN, Key=key)

    def store(self, lines: Sequence[LinkedLine], *, arrived_ms: int = NOW_MS - HOUR_MS) -> None:
        for item in pack_items(lines):
            self.put(item.attributes(arrived_ms=arrived_ms, retention_seconds=RETENTION_SECONDS))

    def put(self, item: Any) -> None:
        self.dynamodb.put_item(TableName=TABLE_ARN, Item=item)

    def view(self, session: int = SESSION, **changes: str) -> SessionView:
        bridge = function("bridge", environment(self.queue, **changes))
        deployment = Deployment("Shop", stack(), {"bridge": bridge}, alone=True)
        return view_session(self.account(), deployment, session)

    def account(self) -> Account:
        clients = {"dynamodb": self.dynamodb, "sqs": self.sqs}
        return Account(NOW_MS / 1000, 60, make_client=lambda service, **settings: clients[service])

    def answer(self, session: int = SESSION, **changes: str) -> list[Any]:
        """What the deployed bridge answers to OpenReplay."""
        bridge = Bridge(
            settings=Settings.from_environment(environment(self.queue, **changes)),
            keys=ApiKeys(lambda: KeysRead([KeyVersion("1", ApiKey("id", "key"))]), lambda: 0.0),
            table=DynamoDbTable(TABLE_ARN, self.dynamodb),
            waiting=SqsQueueLength(self.queue, self.sqs),
            clock_ms=lambda: NOW_MS,
            timer=lambda: 0.0,
            emit=lambda line: None,
        )
        body = (
            f'{{"size":1000,"query":{{"match_phrase":{{"message":"openReplaySession.id={session}"'
            "}}}"
        )
        answer = bridge.handle(
            {
                "version": "2.0",
                "rawPath": "/logs/_search",
                "headers": {"authorization": f"APIKey {base64.b64encode(b'id:key').decode()}"},
                "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.7"}},
                "body": body,
                "isBase64Encoded": False,
            }
        )
        text = answer["body"]
        content = base64.b64decode(text) if answer["isBase64Encoded"] else text
        hits: list[Any] = json.loads(content)["hits"]["hits"]
        return hits
