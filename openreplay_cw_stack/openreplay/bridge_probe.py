"""Probe the bridge with OpenReplay's request for testing credentials.

OpenReplay saves the form even if that test fails, and does not report the failure
(``backend/pkg/integrations/clients/elastic.go`` at v1.21.0 to v1.27.0).
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from openreplay_cw_stack.openreplay.http_calls import (
    Answer,
    RegistrationFailed,
    Sleep,
    call,
    call_patiently,
)

PRODUCT_HEADER = "x-elastic-product"
"""The bridge sends this header with every response. OpenReplay's client requires it."""


class AddressRefused(RegistrationFailed):
    """The bridge rejects the caller's address. It may accept OpenReplay's address."""


@dataclass(frozen=True)
class BridgeForm:
    """The three values of OpenReplay's Elasticsearch form.

    Attributes:
        url: the bridge's URL.
        api_key_id: the id of the bridge's API key.
        api_key: the bridge's API key.
    """

    url: str
    api_key_id: str
    api_key: str = field(repr=False)

    def as_options(self) -> dict[str, str]:
        """Return the values as OpenReplay stores them, all as strings."""
        return {"url": self.url, "api_key_id": self.api_key_id, "api_key": self.api_key}


def send_search(bridge: SplitResult, form: BridgeForm) -> Answer:
    """Send OpenReplay's test of the credentials and return the bridge's response.

    Args:
        bridge: the bridge's URL, parsed by ``checked_url(form.url)``.
        form: the values of OpenReplay's form.

    Raises:
        RegistrationFailed: the bridge cannot be reached.
    """
    key = base64.b64encode(f"{form.api_key_id}:{form.api_key}".encode()).decode()
    return call(
        bridge,
        "POST",
        "/logs/_search?track_total_hits=true",
        headers={"Authorization": f"APIKey {key}"},
        body={"size": 1},
    )


def is_accepted(answer: Answer) -> bool:
    """Return whether the bridge accepted the key: the response has the hit "connected".

    A bridge that temporarily cannot read its key responds without hits.
    """
    if answer.status != 200 or answer.headers.get(PRODUCT_HEADER) != "Elasticsearch":
        return False
    try:
        return bool(answer.body["hits"]["hits"])
    except (TypeError, KeyError, IndexError):
        return False


def has_timed_out(answer: Answer) -> bool:
    """Return whether the bridge reports a timeout: it temporarily cannot answer."""
    return isinstance(answer.body, dict) and answer.body.get("timed_out") is True


def probe_bridge(bridge: SplitResult, form: BridgeForm, *, sleep: Sleep = time.sleep) -> None:
    """Check that the bridge accepts a form's values.

    Args:
        bridge: see :func:`send_search`.
        form: see :func:`send_search`.
        sleep: waits before a throttled request is retried.

    Raises:
        AddressRefused: the caller's address is not in the ``allowed_source_ranges``.
        RateLimited: AWS still throttles the bridge after all retries.
        RegistrationFailed: the bridge cannot be reached, or rejects the key.
    """
    answer = call_patiently(lambda: send_search(bridge, form), str(bridge.hostname), sleep)
    if answer.status == 403:
        raise AddressRefused(
            "the bridge does not answer this address: it is not in the allowed_source_ranges"
        )
    if answer.status == 401:
        raise RegistrationFailed(
            "the bridge refuses its own key: if the key was just replaced, try again in a minute"
        )
    if has_timed_out(answer):
        raise RegistrationFailed("the bridge cannot read its key right now: try again in a minute")
    if not is_accepted(answer):
        raise RegistrationFailed(
            f"the bridge's URL answered with {answer.status}: check that it is the bridge's URL"
        )
