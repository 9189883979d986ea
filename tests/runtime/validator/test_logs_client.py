from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.exceptions
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.aws_calls import error_code
from openreplay_cw_stack.runtime.validator import logs_client as module
from openreplay_cw_stack.runtime.validator.aws import CloudWatchLogsWriter
from openreplay_cw_stack.runtime.validator.delivery import DeliveryFailed, StreamMissing
from openreplay_cw_stack.runtime.validator.logs_client import (
    ATTEMPTS,
    ClientOfBoto3,
    SigningClient,
    endpoint_url,
    logs_client,
    put_log_events_body,
)

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "an example of a key",
    "AWS_SESSION_TOKEN": "an example of a token",
}
URL = f"https://logs.{REGION}.amazonaws.com"
MESSAGES = ['{"v":1,"message":"«no stock»\\n"}']


@dataclass
class Answer:
    status_code: int = 200
    content: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def refusal(code: str, status: int = 400) -> Answer:
    document = {"__type": f"com.amazonaws.logs#{code}", "message": "a text that must not be shown"}
    return Answer(status, json.dumps(document).encode())


@dataclass
class Session:
    """Answers with one thing after another; the last one stays."""

    answers: Sequence[Answer | Exception] = (Answer(),)
    requests: list[Any] = field(default_factory=list)

    def send(self, request: Any) -> Answer:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(
    session: Session, environment: dict[str, str] | None = None, pauses: list[float] | None = None
) -> SigningClient:
    return SigningClient(
        REGION,
        URL,
        environment=ENVIRONMENT if environment is None else environment,
        session=session,
        pause=(pauses if pauses is not None else []).append,
    )


def put(logs: Any) -> dict[str, Any]:
    response: dict[str, Any] = logs.put_messages("/linked", "/app/a", MESSAGES, 5)
    return response


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\x7f"), max_size=20
)


class TestBody:
    @given(st.lists(texts, min_size=1, max_size=8), st.integers(0, 2**45))
    def test_it_is_the_json_of_the_parameters(self, messages: list[str], time: int) -> None:
        assert json.loads(put_log_events_body('g"', "s\\é", messages, time)) == {
            "logGroupName": 'g"',
            "logStreamName": "s\\é",
            "logEvents": [{"timestamp": time, "message": message} for message in messages],
        }

    def test_many_messages(self) -> None:
        messages = [f'{{"n":"{n}\\n"}}' for n in range(1234)]
        events = json.loads(put_log_events_body("g", "s", messages, 5))["logEvents"]
        assert events == [{"timestamp": 5, "message": message} for message in messages]


class TestRequest:
    def test_it_is_what_boto3_sends(self) -> None:
        sent: list[Any] = []

        def keep(request: Any, **_: Any) -> Any:
            sent.append(request)
            raise botocore.exceptions.HTTPClientError(error="kept")

        boto = boto3.client(
            "logs",
            region_name=REGION,
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=ENVIRONMENT["AWS_SESSION_TOKEN"],
            config=boto3.session.Config(retries={"total_max_attempts": 1}),
        )
        boto.meta.events.register("before-send.logs", keep)
        session = Session()
        ours = client(session)
        for logs in (ClientOfBoto3(boto), ours):
            with contextlib.suppress(botocore.exceptions.HTTPClientError):
                logs.create_stream("g", "s")
            with contextlib.suppress(botocore.exceptions.HTTPClientError):
                put(logs)
        for theirs, mine in zip(sent, session.requests, strict=True):
            assert (mine.method, mine.url) == (theirs.method, theirs.url)
            assert json.loads(mine.body) == json.loads(theirs.body)
            for name in ("Content-Type", "X-Amz-Target", "X-Amz-Security-Token"):
                assert _text(mine.headers[name]) == _text(theirs.headers[name])

    def test_everything_that_counts_is_signed(self) -> None:
        session = Session()
        put(client(session))
        authorization = _text(session.requests[0].headers["Authorization"])
        assert f"/{REGION}/logs/aws4_request" in authorization
        for name in ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"):
            assert name in authorization.partition("SignedHeaders=")[2]

    def test_credentials_are_read_for_every_request(self) -> None:
        environment = dict(ENVIRONMENT)
        session = Session()
        logs = client(session, environment)
        put(logs)
        environment["AWS_ACCESS_KEY_ID"] = "AKIDRENEWED"
        del environment["AWS_SESSION_TOKEN"]
        put(logs)
        first, second = session.requests
        assert "Credential=AKIDEXAMPLE/" in _text(first.headers["Authorization"])
        assert "Credential=AKIDRENEWED/" in _text(second.headers["Authorization"])
        assert "X-Amz-Security-Token" not in second.headers


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class TestAttempts:
    REPEATED = (
        refusal("ThrottlingException"),
        refusal("LimitExceededException"),
        refusal("RequestTimeout"),
        refusal("ServiceUnavailableException", 503),
        Answer(500, b"<html>"),
        Answer(502, b""),
        botocore.exceptions.EndpointConnectionError(endpoint_url=URL),
        botocore.exceptions.ConnectTimeoutError(endpoint_url=URL),
        botocore.exceptions.ReadTimeoutError(endpoint_url=URL),
        botocore.exceptions.ConnectionClosedError(endpoint_url=URL),
    )

    @pytest.mark.parametrize("failure", REPEATED, ids=str)
    def test_what_passes_is_repeated(self, failure: Answer | Exception) -> None:
        pauses: list[float] = []
        session = Session([failure, failure, Answer(200, b'{"a": 1}')])
        assert put(client(session, pauses=pauses)) == {"a": 1}
        assert len(session.requests) == 3
        assert all(0 <= pause <= most for pause, most in zip(pauses, (1, 2), strict=True))

    @pytest.mark.parametrize("failure", REPEATED, ids=str)
    def test_five_attempts_and_then_the_code_alone(self, failure: Answer | Exception) -> None:
        pauses: list[float] = []
        session = Session([failure])
        writer = CloudWatchLogsWriter("/linked", client(session, pauses=pauses))
        with pytest.raises(DeliveryFailed) as failed:
            writer.put("s", MESSAGES, 5)
        assert (len(session.requests), len(pauses)) == (ATTEMPTS, ATTEMPTS - 1)
        assert all(0 <= pause <= 2**number for number, pause in enumerate(pauses))
        assert str(failed.value).isalnum()

    def test_no_attempt_begins_after_twenty_seconds(self) -> None:
        """The time of an invocation has to do for parking the lines too."""
        seconds = 0.0

        class Slow(Session):
            def send(self, request: Any) -> Answer:
                nonlocal seconds
                seconds += 9
                return super().send(request)

        session = Slow([botocore.exceptions.ReadTimeoutError(endpoint_url=URL)])
        logs = SigningClient(
            REGION,
            URL,
            environment=ENVIRONMENT,
            session=session,
            pause=lambda _: None,
            clock=lambda: seconds,
        )
        with pytest.raises(botocore.exceptions.ReadTimeoutError):
            put(logs)
        assert 2 <= len(session.requests) <= 3

    @pytest.mark.parametrize(
        "failure",
        [
            refusal("InvalidParameterException"),
            refusal("AccessDeniedException"),
            refusal("UnrecognizedClientException"),
            Answer(413, b"too large"),
            ValueError("a fault of ours"),
        ],
        ids=str,
    )
    def test_what_stays_is_not_repeated(self, failure: Answer | Exception) -> None:
        session = Session([failure])
        with pytest.raises(DeliveryFailed, match=r"^(\w+Exception|413|ValueError)$"):
            CloudWatchLogsWriter("/linked", client(session)).put("s", MESSAGES, 5)
        assert len(session.requests) == 1

    def test_a_missing_stream_and_one_that_is_there(self) -> None:
        missing = Session([refusal("ResourceNotFoundException")])
        with pytest.raises(StreamMissing):
            CloudWatchLogsWriter("/linked", client(missing)).put("s", MESSAGES, 5)
        there = Session([refusal("ResourceAlreadyExistsException")])
        CloudWatchLogsWriter("/linked", client(there)).create_stream("s")

    def test_no_text_of_an_answer_is_kept(self) -> None:
        with pytest.raises(module.CallRefused) as refused:
            put(client(Session([refusal("AccessDeniedException")])))
        assert str(refused.value) == error_code(refused.value) == "AccessDeniedException"


class TestEndpoint:
    def test_it_is_boto3s_in_every_region(self) -> None:
        session = botocore.session.Session()
        regions = {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("logs", partition)
        }
        assert len(regions) > 20
        # A client takes a while to make: some of every partition.
        for region in sorted({r.split("-")[0] + r.split("-")[1]: r for r in regions}.values()):
            boto = boto3.client("logs", region_name=region)
            assert endpoint_url(region, {}) == boto.meta.endpoint_url

    def test_a_configured_one_counts_as_boto3_has_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        configured = {
            "AWS_ENDPOINT_URL": "http://a:1",
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://b:2",
        }
        environment = {}
        for name, url in configured.items():
            environment[name] = url
            monkeypatch.setenv(name, url)
            boto = boto3.Session().client("logs", region_name=REGION)
            assert endpoint_url(REGION, environment) == boto.meta.endpoint_url == url


class TestWhichClient:
    def test_ours_in_lambda(self) -> None:
        assert isinstance(logs_client(ENVIRONMENT), SigningClient)

    @pytest.mark.parametrize(
        "changes",
        [
            {"AWS_ACCESS_KEY_ID": ""},
            {"AWS_PROFILE": "p"},
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            {"AWS_DEFAULT_REGION": ""},
        ],
    )
    def test_boto3s_where_more_is_configured(
        self, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []
        monkeypatch.setattr(module, "aws_client", lambda service, **_: made.append(service))
        logs_client({**ENVIRONMENT, **changes})
        assert made == ["logs"]

    def test_certificates_are_checked_and_proxies_are_those_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        made: list[dict[str, Any]] = []
        monkeypatch.setattr(
            "botocore.httpsession.URLLib3Session", lambda **settings: made.append(settings)
        )
        module._http_session(URL, {})
        module._http_session(URL, {"AWS_CA_BUNDLE": "/bundle.pem"})
        assert [settings["verify"] for settings in made] == [True, "/bundle.pem"]
        assert made[0]["proxies"]["https"] == "http://proxy:3128"
