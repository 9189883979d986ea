"""The question with which OpenReplay's service tests credentials, asked by ourselves.

OpenReplay saves the form whatever the answer is, and does not report it
(``backend/pkg/integrations/clients/elastic.go`` at v1.21.0 to v1.27.0).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from openreplay_cw_stack.openreplay.http_calls import Answer, RegistrationFailed, call

PRODUCT_HEADER = "x-elastic-product"
"""Every answer of the bridge's own has it, and OpenReplay's client takes none without it."""


class AddressRefused(RegistrationFailed):
    """The bridge does not answer the address that we ask from; it may well answer OpenReplay's."""


@dataclass(frozen=True)
class BridgeForm:
    """The three values of OpenReplay's Elasticsearch form.

    Attributes:
        url: the bridge's.
        api_key_id: likewise.
        api_key: likewise.
    """

    url: str
    api_key_id: str
    api_key: str = field(repr=False)

    def as_options(self) -> dict[str, str]:
        """As OpenReplay stores them; every value is a text."""
        return {"url": self.url, "api_key_id": self.api_key_id, "api_key": self.api_key}


def question(bridge: SplitResult, form: BridgeForm) -> Answer:
    """The bridge's answer to the test of credentials, whatever it is.

    Args:
        bridge: where the bridge is, as ``checked_url(form.url)`` has it.
        form: what OpenReplay's form has.

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


def accepts(answer: Answer) -> bool:
    """Whether the answer is the bridge's to a right key: it has the hit that says "connected".

    A bridge that cannot read its key at the moment answers without hits.
    """
    if answer.status != 200 or answer.headers.get(PRODUCT_HEADER) != "Elasticsearch":
        return False
    try:
        return bool(answer.body["hits"]["hits"])
    except (TypeError, KeyError, IndexError):
        return False


def has_timed_out(answer: Answer) -> bool:
    """Whether the bridge says that it cannot answer at the moment."""
    return isinstance(answer.body, dict) and answer.body.get("timed_out") is True


def ask_bridge(bridge: SplitResult, form: BridgeForm) -> None:
    """Ask the bridge as OpenReplay would; the arguments are those of :func:`question`.

    Raises:
        AddressRefused: the bridge has ``allowed_source_ranges``, and we are in none of them.
        RegistrationFailed: the bridge cannot be reached, or refuses the key.
    """
    answer = question(bridge, form)
    if answer.status == 403:
        raise AddressRefused(
            "the bridge does not answer this address, which is not among the allowed_source_ranges"
        )
    if answer.status == 401:
        raise RegistrationFailed("the bridge refuses its own key: was it replaced a moment ago?")
    if has_timed_out(answer):
        raise RegistrationFailed("the bridge cannot read its key at the moment: try again")
    if not accepts(answer):
        raise RegistrationFailed(
            f"the bridge's URL answered with {answer.status}: is it the bridge?"
        )
