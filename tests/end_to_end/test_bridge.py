"""Lines beside the replay: tracked log group, validator, session table, bridge, client."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import elasticsearch8
import elasticsearch9
import pytest

from emulator import Emulator
from emulator.openreplay import SEARCH_PATH, OpenReplay, check_hits
from openreplay_cw_stack.tagging import id_tag, token_tag
from tests.end_to_end.conftest import ROOT, TOKEN_SECRET, Deployment, eventually
from tests.openreplay import openreplay_server
from tests.runtime.payloads import encode
from tests.tagging.tokens import a_token, session_of

pytestmark = pytest.mark.end_to_end

GROUPS = ("/app/checkout", "/app/search", "/aws/lambda/pay")
HOUR_MS = 3_600_000
STARTED_MS = int(time.time() * 1000) - HOUR_MS
SESSIONS = [session_of(STARTED_MS + number, number) for number in range(5)]
NOBODY = session_of(STARTED_MS, 99)
SEARCH = (
    f'{{"size":1000,"query":{{"match_phrase":{{"message":"openReplaySession.id={SESSIONS[4]}"}}}}}}'
)


def tag(session: int) -> str:
    return token_tag(
        a_token(session_id=session, token_secret=TOKEN_SECRET.encode(), expires_ms=2**50)
    )


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Answers at once, as if every session were over."""
    return {"settle": "0", "session_lifetime": "60s"}


def openreplay_of(deployment: Deployment, **changes: Any) -> OpenReplay:
    api_key_id, api_key = deployment.api_key()
    url, gateway = deployment.outputs["BridgeUrl"], deployment.aws.endpoint_url
    return OpenReplay(url, api_key_id, api_key, gateway, **changes)


def hits_for(deployment: Deployment, session: int) -> list[dict[str, Any]]:
    hits = openreplay_of(deployment).ask(session).hits()
    check_hits(hits)
    return hits


def messages_for(deployment: Deployment, session: int) -> list[str]:
    return [hit["_source"]["message"] for hit in hits_for(deployment, session)]


def regional_client(module: Any, deployment: Deployment, **changes: Any) -> Any:
    return module.Elasticsearch(
        deployment.aws.endpoint_url,
        headers={"host": urlsplit(deployment.outputs["BridgeUrl"]).netloc},
        **{"api_key": deployment.api_key(), "http_compress": True, **changes},
    )


def test_it_says_that_it_is_connected(deployment: Deployment) -> None:
    (hit,) = openreplay_of(deployment).send("POST", SEARCH_PATH, '{"size": 1}').hits()
    assert hit["_source"]["message"] == "openreplay-cw-stack: connected"
    assert messages_for(deployment, SESSIONS[0]) == []


def test_every_linkable_line_of_a_session_is_in_its_answer_once_and_no_other(
    deployment: Deployment,
) -> None:
    """Interleaved, late, repeated, split and oversized lines; text that quotes other tags."""
    expected: dict[int, list[str]] = defaultdict(list)
    for turn in range(6):
        for position, session in enumerate(SESSIONS):
            group = GROUPS[(turn + position) % 3]
            other = SESSIONS[(position + 1) % 5]
            text = f"ERROR turn {turn}: he wrote {id_tag(other)} and {tag(other)}"
            deployment.put(group, f"{tag(session)} {text}", f"{id_tag(session)} error unsigned")
            expected[session].append(f"{group}: ERROR turn {turn}: he wrote {id_tag(other)}")
    # Split: a log driver made an event of each line, each with the tag, all of one millisecond.
    pieces = [f"piece {number:02}" for number in range(12)]
    deployment.put(GROUPS[0], *(f"{tag(SESSIONS[0])} {piece}" for piece in pieces))
    # Oversized: longer than a linked line can be.
    deployment.put(GROUPS[1], f"{tag(SESSIONS[1])} ERROR long " + "\\" * 700_000)
    # Late: an event from half an hour ago, delivered now; and delivered twice.
    late = {"id": "1" * 56, "timestamp": STARTED_MS + HOUR_MS // 2, "message": "ERROR late"}
    late["message"] = f"{tag(SESSIONS[2])} {late['message']}"
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": GROUPS[2],
        "logStream": "web-1",
        "subscriptionFilters": ["x"],
        "logEvents": [late, late],
    }
    functions = deployment.aws.client("lambda")
    event = json.dumps({"awslogs": {"data": encode(json.dumps(payload).encode())}})
    for _ in range(2):
        functions.invoke(FunctionName=deployment.validator, InvocationType="Event", Payload=event)

    counts = dict.fromkeys(SESSIONS, 6)
    counts[SESSIONS[0]] += 12
    counts[SESSIONS[1]] += 1
    counts[SESSIONS[2]] += 1
    for session, count in counts.items():
        hits = eventually(
            lambda session=session: hits_for(deployment, session),  # type: ignore[misc]
            lambda found, count=count: len(found) >= count,  # type: ignore[misc]
        )
        messages = [hit["_source"]["message"] for hit in hits]
        assert len(hits) == count
        for text in expected[session]:
            assert sum(message.startswith(text) for message in messages) == 1
        assert not any("unsigned" in message for message in messages)
        assert {hit["_source"]["log_group"] for hit in hits} == set(GROUPS)

    first = messages_for(deployment, SESSIONS[0])
    assert [one for one in first if "piece" in one] == [f"{GROUPS[0]}: {one}" for one in pieces]
    assert messages_for(deployment, SESSIONS[2])[0] == f"{GROUPS[2]}: ERROR late"
    assert messages_for(deployment, NOBODY) == []


@pytest.mark.parametrize("module", [elasticsearch8, elasticsearch9], ids=["8", "9"])
class TestOfficialClients:
    def test_they_say_hello(self, module: Any, deployment: Deployment) -> None:
        client = regional_client(module, deployment)
        assert client.ping()
        assert client.info()["tagline"] == "You Know, for Search"

    def test_they_search(self, module: Any, deployment: Deployment) -> None:
        client = regional_client(module, deployment)
        phrase = {"message": f"openReplaySession.id={SESSIONS[3]}"}
        answer = client.search(index="logs", query={"match_phrase": phrase}, size=1000)
        check_hits(answer["hits"]["hits"])
        assert answer["hits"]["total"]["value"] == len(answer["hits"]["hits"]) == 6

    def test_with_a_user_and_a_password(self, module: Any, deployment: Deployment) -> None:
        client = regional_client(module, deployment, api_key=None, basic_auth=deployment.api_key())
        assert client.search(index="logs", size=1)["hits"]["hits"]

    def test_they_understand_a_refusal(self, module: Any, deployment: Deployment) -> None:
        client = regional_client(module, deployment, api_key=("openreplay", "wrong"))
        with pytest.raises(module.AuthenticationException, match="security_exception"):
            client.info()

    def test_they_understand_an_error(self, module: Any, deployment: Deployment) -> None:
        client = regional_client(module, deployment)
        with pytest.raises(module.BadRequestError, match="parsing_exception"):
            client.search(index="logs", query={"term": {"message": "x"}})
        with pytest.raises(module.NotFoundError):
            client.search(index="other", query={"match_all": {}})


@pytest.mark.parametrize("library", ["8.13.0", "8.17.0", "8.18.0", "9.3.2"])
def test_every_release_of_openreplays_client_is_answered(
    deployment: Deployment, library: str
) -> None:
    reply = openreplay_of(deployment, client=library).ask(SESSIONS[4])
    assert len(reply.hits()) == 6
    assert reply.headers["content-type"] == "application/json"


def test_a_url_with_a_blank_or_slashes_behind_it_still_works(deployment: Deployment) -> None:
    for path in ("//logs/_search", "/%20/logs/_search", "/some/prefix/logs/_search"):
        assert len(openreplay_of(deployment).send("POST", path, SEARCH).hits()) == 6


@pytest.mark.parametrize(
    "authorization", ["ApiKey x", "Bearer x", "APIKey b3BlbnJlcGxheTp3cm9uZw=="]
)
def test_without_the_key_there_is_no_answer(deployment: Deployment, authorization: str) -> None:
    reply = openreplay_of(deployment).send("POST", SEARCH_PATH, SEARCH, authorization=authorization)
    assert reply.status == 401
    assert json.loads(reply.body)["error"]["type"] == "security_exception"


def test_questions_are_counted_and_nothing_of_them_is_logged(deployment: Deployment) -> None:
    assert eventually(lambda: deployment.metric("Searches"), lambda count: count > 10) > 10
    for name in ("AnsweredSearches", "Hits", "EmptySearches", "RefusedSearches"):
        assert deployment.metric(name) > 0, name
    assert deployment.metric("FailedSearches") == 0
    printed = deployment.printed_by("BridgeLogGroup")
    assert '"Searches":1' in printed
    for word in ("he wrote", "piece", *map(str, SESSIONS), deployment.api_key()[1]):
        assert word not in printed


def test_the_bridges_role_asks_the_session_table_and_nothing_else(
    deployment: Deployment, aws: Emulator
) -> None:
    """The role's own credentials, as the function has them."""
    iam = aws.client("iam")
    (role,) = [one for one in iam.list_roles()["Roles"] if "BridgeRole" in one["RoleName"]]
    (attached,) = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    user = iam.create_user(UserName="as-the-bridge")["User"]["UserName"]
    iam.attach_user_policy(UserName=user, PolicyArn=attached["PolicyArn"])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    dynamodb, logs, secrets, sqs = (
        aws.client(
            service,
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
        )
        for service in ("dynamodb", "logs", "secretsmanager", "sqs")
    )
    table = deployment.session_table
    asked = dynamodb.query(
        TableName=table,
        KeyConditionExpression="#session = :session",
        ExpressionAttributeNames={"#session": "session"},
        ExpressionAttributeValues={":session": {"S": str(SESSIONS[0])}},
    )
    assert asked["Items"]
    key_of_one = {name: asked["Items"][0][name] for name in ("session", "item")}
    denied_calls: list[Callable[[], object]] = [
        lambda: dynamodb.scan(TableName=table),
        lambda: dynamodb.get_item(TableName=table, Key=key_of_one),
        lambda: dynamodb.put_item(TableName=table, Item=key_of_one),
        lambda: dynamodb.delete_item(TableName=table, Key=key_of_one),
        lambda: dynamodb.describe_table(TableName=table),
        lambda: sqs.receive_message(QueueUrl=deployment.outputs["RetryQueueUrl"]),
        lambda: logs.filter_log_events(logGroupName="/app/checkout"),
        lambda: logs.describe_log_groups(),
        lambda: secrets.get_secret_value(SecretId="openreplay"),
        lambda: secrets.list_secrets(),
    ]
    for denied in denied_calls:
        with pytest.raises(logs.exceptions.ClientError, match="AccessDenied"):
            denied()


def test_the_command_registers_it(deployment: Deployment) -> None:
    """With the deployed bridge at its address, and its key; OpenReplay is the stand-in."""
    with openreplay_server.serving(openreplay_server.OpenReplayServer()) as server:
        where = ["--openreplay", server.url, "--project", "7", "--insecure"]
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "openreplay_cw_stack"),
                *("register", "--stack", deployment.stack, *where),
            ],
            cwd=ROOT,
            env={**deployment.aws.host_environment(), "OPENREPLAY_JWT": server.jwt},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        (row,) = server.rows.values()
    api_key_id, api_key = deployment.api_key()
    assert row == {
        "url": deployment.outputs["BridgeUrl"],
        "api_key_id": api_key_id,
        "api_key": api_key,
    }
    assert api_key not in ran.stdout + ran.stderr
