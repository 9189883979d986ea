"""From a visitor's click to the line beside the replay: nothing here is a stand-in but OpenReplay.

The page has the real tracker, in Chromium; it asks a function URL of another origin; the function
raises; its log line goes through the deployed stack, and the bridge answers for the session.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator import Emulator
from emulator.openreplay import OpenReplay, check_hits
from tests.end_to_end.browser import ingest
from tests.end_to_end.browser.browser import Visitor, chromium, page_server
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually

pytestmark = pytest.mark.end_to_end

APP = "tests/end_to_end/browser/shop_app.py"
HEADER = "x-openreplay-sessiontoken"
WAYS = ("tracker", "fetch", "axios")


class Shop(Deployment):
    stack = "Shop"
    app = APP

    def hits(self, session_id: int) -> list[dict[str, Any]]:
        """What OpenReplay shows beside a session's replay, without the bridge's own words."""
        secrets = self.aws.client("secretsmanager")
        secret = secrets.get_secret_value(SecretId=self.outputs["BridgeSecret"])["SecretString"]
        key = json.loads(secret)
        openreplay = OpenReplay(
            self.outputs["BridgeUrl"], key["api_key_id"], key["api_key"], self.aws.endpoint_url
        )
        hits = openreplay.ask(session_id).hits()
        check_hits(hits)
        return [hit for hit in hits if "openreplay-cw-stack:" not in hit["_source"]["message"]]

    def messages(self, session_id: int, least: int) -> list[str]:
        """The messages of a session, as soon as there are so many."""
        hits = eventually(lambda: self.hits(session_id), lambda hits: len(hits) >= least)
        return [hit["_source"]["message"] for hit in hits]


class ThirdParty:
    """A server of somebody else's, whose CORS settings know nothing of our header."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[ThirdParty]:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(204)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/"
        yield self
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_server(tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shop(
    browser: Any, aws: Emulator, origin: str, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    aws.client("secretsmanager").create_secret(Name="openreplay", SecretString=TOKEN_SECRET)
    shop = Shop(aws, tmp_path_factory.mktemp("cdk"), {"origin": origin})
    shop.printed.append(shop.cdk.bootstrap())
    shop.deploy()
    aws.evaluate_iam(True)
    return shop


@pytest.fixture(scope="module")
def openreplay() -> Iterator[ingest.Ingest]:
    with ingest.serving(TOKEN_SECRET.encode()) as serving:
        yield serving


@pytest.fixture(scope="module")
def third_party() -> Iterator[ThirdParty]:
    with ThirdParty().serving() as serving:
        yield serving


def in_the_emulator(url: str, aws: Emulator) -> str:
    """A function URL as Chromium reaches it: its host, at the emulator's port, without TLS."""
    host = urlsplit(url).hostname
    return f"http://{host}:{urlsplit(aws.endpoint_url).port}"


@pytest.fixture(scope="module")
def visitors(
    browser: Any, shop: Shop, origin: str, openreplay: ingest.Ingest, third_party: ThirdParty
) -> dict[str, Visitor]:
    """Two visitors of each function whose code has not changed, one of the other."""
    unchanged, nodejs, decorated = (
        in_the_emulator(shop.outputs[f"{name}Url"], shop.aws)
        for name in ("Unchanged", "Nodejs", "Decorated")
    )
    asked = {"ingest": openreplay.url, "other": third_party.url}
    return {
        "anna": Visitor(browser, origin, "anna", backend=unchanged, **asked),
        "bert": Visitor(browser, origin, "bert", backend=unchanged, **asked),
        "cora": Visitor(browser, origin, "cora", backend=decorated, **asked),
        "dora": Visitor(browser, origin, "dora", backend=nodejs, **asked),
        "emil": Visitor(browser, origin, "emil", backend=nodejs, **asked),
    }


def test_each_visitor_has_a_session_of_their_own(
    visitors: dict[str, Visitor], openreplay: ingest.Ingest
) -> None:
    assert set(openreplay.sessions) == set(visitors)
    assert len(set(openreplay.sessions.values())) == len(visitors)


def test_an_error_is_beside_the_replay_of_the_visitor_who_met_it(
    visitors: dict[str, Visitor], openreplay: ingest.Ingest, shop: Shop
) -> None:
    for way in WAYS:
        # At once: nobody waits for the other's answer.
        for visitor in visitors.values():
            visitor.page.click(f"#{way}")
        for visitor in visitors.values():
            assert visitor.wait_for(f"{way}: answered", f"{way}: T", f"{way}: A").endswith(" 502")

    for name in ("anna", "bert"):
        texts = shop.messages(openreplay.sessions[name], 2 * len(WAYS))
        group = shop.outputs["UnchangedLogs"]
        assert texts[::2] == [f"{group}: ERROR:root:no card of Chromium of {name}"] * len(WAYS)
        for report in texts[1::2]:
            begin = f"{group}: [ERROR] ValueError: no stock left\nfor Chromium of {name}\n"
            assert report.startswith(f"{begin}Traceback (most recent call last):\n  File")
            assert re.search(r'\n  File ".*orders\.py", line \d+, in handler\n', report)
            assert "openReplay" not in report
    for name in ("dora", "emil"):
        texts = shop.messages(openreplay.sessions[name], 2 * len(WAYS))
        for written, report in zip(texts[::2], texts[1::2], strict=True):
            assert written.endswith(f"\tERROR\tno card of Chromium of {name}")
            assert "\tERROR\tInvoke Error \t" in report
            assert f"no stock left\\nfor Chromium of {name}" in report
            assert "openReplay" not in report
    first, *_ = shop.messages(openreplay.sessions["cora"], len(WAYS))
    assert "ValueError: no stock left" in first


def test_the_error_is_an_event_whose_link_names_the_trackers_session(
    visitors: dict[str, Visitor], openreplay: ingest.Ingest, shop: Shop
) -> None:
    """One for each visitor: further errors of theirs come within five minutes."""
    sqs, url = shop.aws.client("sqs"), shop.outputs["ErrorsUrl"]
    links: list[str] = []

    def take() -> list[str]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            detail = json.loads(message["Body"])["detail"]
            links.append(detail["replay_url"])
            assert not any(token in message["Body"] for token in openreplay.tokens.values())
        return links

    sessions = list(openreplay.sessions.values())
    wanted = [f"https://openreplay.example/5/session/{session}" for session in sorted(sessions)]
    found = eventually(take, lambda found: len(found) >= len(wanted))
    assert sorted(found) == sorted(wanted)


def test_no_token_has_gone_further_than_the_users_own_log_group(
    visitors: dict[str, Visitor], openreplay: ingest.Ingest, shop: Shop
) -> None:
    linked = "\n".join(line.message for line in shop.linked_lines())
    assert len(shop.linked_lines()) == 4 * 2 * len(WAYS) + len(WAYS)
    for token in openreplay.tokens.values():
        assert token not in linked


def test_a_third_party_is_not_shown_the_token(
    visitors: dict[str, Visitor], third_party: ThirdParty
) -> None:
    assert visitors["anna"].click("other") == "other: answered 204"
    (request,) = third_party.requests
    assert HEADER not in request


def test_the_tracker_has_recorded(visitors: dict[str, Visitor], openreplay: ingest.Ingest) -> None:
    def batches() -> set[str]:
        return {one.removeprefix("Bearer ") for one in openreplay.batches}

    wanted = {openreplay.tokens["anna"], openreplay.tokens["bert"]}
    assert eventually(batches, lambda seen: wanted <= seen) >= wanted


def test_the_preflight(shop: Shop, origin: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(shop.aws.endpoint_url).netloc)
    headers = {
        "Host": str(urlsplit(shop.outputs["UnchangedUrl"]).hostname),
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": f"content-type,{HEADER}",
    }
    connection.request("OPTIONS", "/orders", headers=headers)
    answer = connection.getresponse()
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert HEADER in answer.headers["Access-Control-Allow-Headers"].lower()
