"""A stand-in for OpenReplay: queries the bridge, and checks responses as the player does.

``backend/pkg/integrations/clients/elastic.go`` at tags v1.21.0 to v1.27.0 sends the request, with
go-elasticsearch 8.13 to 9.3, which send identical requests. The fields that the player needs are in
``frontend/app/components/Session/Player/.../BackendLogs/utils.ts`` at the same tags.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

SEARCH_PATH = "/logs/_search?track_total_hits=true"
LEVELS = ("error", "warning", "info", "debug")
MAX_HITS = 1000


class NotShown(Exception):
    """The player would show nothing, or fail. The message names the reason."""


@dataclass(frozen=True)
class Reply:
    """A response: the status, the headers by lower-case name, and the decompressed body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def hits(self) -> list[dict[str, Any]]:
        """The hits, extracted from the response as OpenReplay's service does.

        Raises:
            NotShown: the response is not an Elasticsearch response with hits.
        """
        if self.status >= 400:
            raise NotShown(f"the bridge answered {self.status}")
        if self.headers.get("x-elastic-product") != "Elasticsearch":
            raise NotShown("the product check failed")
        hits: list[dict[str, Any]] = json.loads(self.body)["hits"]["hits"]
        return hits


@dataclass(frozen=True)
class OpenReplay:
    """OpenReplay with the three values of its Elasticsearch form.

    Attributes:
        url: the URL in the form.
        api_key_id: the API key id in the form.
        api_key: the API key in the form.
        gateway_url: the actual address of the URL's host: the embedded AWS, or the URL itself.
        client: the release of go-elasticsearch that sends the request.
    """

    url: str
    api_key_id: str
    api_key: str
    gateway_url: str
    client: str = "8.18.0"

    def ask(self, session_id: int) -> Reply:
        """Query a session's lines, as pressing Traces does."""
        phrase = f"openReplaySession.id={session_id}"
        body = f'{{"size":1000,"query":{{"match_phrase":{{"message":"{phrase}"}}}}}}'
        return self.send("POST", SEARCH_PATH, body)

    def send(
        self, method: str, path: str, body: str = "", *, authorization: str | None = None
    ) -> Reply:
        """Send a request with exactly the headers of OpenReplay's client."""
        key = base64.b64encode(f"{self.api_key_id}:{self.api_key}".encode()).decode()
        headers = {
            "Host": urlsplit(self.url).netloc,
            "User-Agent": f"go-elasticsearch/{self.client} (linux amd64; Go 1.23.4)",
            "Content-Length": str(len(body.encode())),
            "Authorization": authorization or f"APIKey {key}",
            "Content-Type": "application/json",
            "X-Elastic-Client-Meta": f"es={self.client},go=1.23.4,t=8.6.1,hc=1.23.4",
            "Accept-Encoding": "gzip",
        }
        gateway = urlsplit(self.gateway_url)
        is_encrypted = gateway.scheme == "https"
        connect = http.client.HTTPSConnection if is_encrypted else http.client.HTTPConnection
        connection = connect(gateway.netloc)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            content = answer.read()
            received = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        packed = received.get("content-encoding") == "gzip"
        return Reply(answer.status, received, gzip.decompress(content) if packed else content)


def check_hits(hits: Sequence[dict[str, Any]]) -> None:
    """Reject hits that the player cannot show, or cannot order by time.

    Raises:
        NotShown: the player cannot show a hit. The message names the reason.
    """
    for hit in hits:
        reason = _fault_of(hit)
        if reason:
            raise NotShown(reason)
    if "attributes" in (hits[0] if hits else {}):
        raise NotShown("the first hit would be taken for Datadog's")
    times = [_time_of(hit) for hit in hits]
    if times != sorted(times):
        raise NotShown("the hits do not ascend by time")
    if len({hit["_id"] for hit in hits}) != len(hits):
        raise NotShown("two hits have one _id")
    if len(hits) > MAX_HITS:
        raise NotShown(f"more than {MAX_HITS} hits")


def _fault_of(hit: dict[str, Any]) -> str | None:
    source = hit.get("_source")
    if not isinstance(source, dict):
        return "a hit has no _source"
    if not isinstance(hit.get("_id"), str) or not hit["_id"]:
        return "a hit has no _id"
    if not isinstance(source.get("message"), str) or not source["message"]:
        return "a message is no text, or empty"
    if source.get("level") not in LEVELS:
        return "a level is none that the player knows"
    try:
        _time_of(hit)
    except (KeyError, ValueError, TypeError, AttributeError):
        return "an @timestamp is no time"
    return None


def _time_of(hit: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(hit["_source"]["@timestamp"].replace("Z", "+00:00"))
