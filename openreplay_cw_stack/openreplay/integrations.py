"""Read, write and remove the Elasticsearch integration of OpenReplay's projects.

A project has one integration of this kind, and it may point to another server. Each change reads it
first, and overwrites or removes only an integration of this bridge, unless it is forced.

OpenReplay v1.21 and later respond to the first POST with 422 but save the row. They respond with
500 to a POST for a row that exists or a project that does not, and with 200 to every PATCH and
DELETE. Only a GET shows the stored values, so each change ends with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm
from openreplay_cw_stack.openreplay.http_calls import Answer, RegistrationFailed
from openreplay_cw_stack.openreplay.login import OpenReplayClient

_ROUTES = (
    # v1.23 and later.
    "/integrations/{project}/integration/elasticsearch",
    # v1.21 and v1.22.
    "/integrations/v1/integrations/elasticsearch/{project}",
)
_NO_SUCH_ROUTE = (404, 405)
_DEFAULT_PORTS = {"http": 80, "https": 443}

Options = Mapping[str, object]
"""The values of an integration's form, as OpenReplay stores them."""


class Change(Enum):
    """The effect of registering or removing the bridge."""

    REGISTERED = "registered"
    """The project now has the bridge's URL and key."""
    UNCHANGED = "unchanged"
    """The project already had the bridge's URL and key."""
    REMOVED = "removed"
    """The integration was removed."""
    ABSENT = "absent"
    """The project had no integration."""


class NotOurs(RegistrationFailed):
    """The project's integration belongs to another server. It was not changed."""


def is_of_bridge(stored: Options, form: BridgeForm) -> bool:
    """Return whether an integration is the bridge's, so that it can be overwritten or removed.

    It is the bridge's if it has the bridge's host or key: the bridge's URL can change, but no other
    server has the key. A row without a URL and a key can also be overwritten.

    Args:
        stored: the values that OpenReplay stores.
        form: the bridge's values.
    """
    if not stored.get("url") and not stored.get("api_key"):
        return True
    key = (stored.get("api_key_id"), stored.get("api_key"))
    if form.api_key and key == (form.api_key_id, form.api_key):
        return True
    address = _address_of(str(stored.get("url")))
    return address is not None and address == _address_of(form.url)


def integration_host(stored: Options) -> str:
    """Return the host of an integration's URL, without a password that the URL may contain."""
    address = _address_of(str(stored.get("url") or ""))
    return address[0] if address else "no host"


@dataclass
class Integrations:
    """The Elasticsearch integrations of an OpenReplay instance.

    Attributes:
        openreplay: the client, with a member's credential.
    """

    openreplay: OpenReplayClient
    _routes: tuple[str, ...] = field(default=_ROUTES, repr=False)
    """The routes of all versions; only the route of this version after it is known."""

    def stored(self, project: int) -> Options | None:
        """Return a project's integration, or None if it has none.

        Raises:
            RegistrationFailed: OpenReplay responds with an error.
        """
        for route in self._routes:
            path = route.format(project=project)
            answer = self.openreplay.request("GET", path)
            options = _options_of(answer)
            if options is not None:
                self._routes = (route,)
                return options
            # Up to v1.20 the frontend responds with its HTML page.
            if answer.status not in (200, *_NO_SUCH_ROUTE):
                raise self._refused(answer)
        return None

    def register(self, project: int, form: BridgeForm, *, force: bool = False) -> Change:
        """Register the bridge with a project, or update its registration.

        Args:
            project: the project's number.
            form: the bridge's URL and key.
            force: replace an integration that is not the bridge's.

        Raises:
            NotOurs: the project has another integration, and ``force`` is False.
            RegistrationFailed: OpenReplay did not store the values, or does not support the
                integration (up to v1.20).
        """
        found = self.stored(project)
        wanted = form.as_options()
        if found is None:
            self._create(project, wanted)
        elif not _different(found, wanted):
            return Change.UNCHANGED
        elif force or is_of_bridge(found, form):
            self._change("PATCH", project, {"data": wanted})
        else:
            raise _not_ours(found)
        different = _different(self.stored(project) or {}, wanted)
        if different:
            raise RegistrationFailed(
                f"{self._host} has not stored {', '.join(different)} for project {project}: check "
                "the project's number, and that this member can change its integrations"
            )
        return Change.REGISTERED

    def remove(self, project: int, form: BridgeForm, *, force: bool = False) -> Change:
        """Remove the bridge from a project, if it is registered.

        Args:
            project: the project's number.
            form: the bridge's URL and key.
            force: remove an integration that is not the bridge's.

        Raises:
            NotOurs: the project has another integration, and ``force`` is False.
            RegistrationFailed: OpenReplay responds with an error, or did not remove it.
        """
        found = self.stored(project)
        if found is None:
            return Change.ABSENT
        if not force and not is_of_bridge(found, form):
            raise _not_ours(found)
        self._change("DELETE", project)
        if self.stored(project) is not None:
            raise RegistrationFailed(
                f"{self._host} has not removed the integration of project {project}: check that "
                "this member can change its integrations"
            )
        return Change.REMOVED

    def _create(self, project: int, wanted: Options) -> None:
        for route in self._routes:
            path = route.format(project=project)
            saved = self.openreplay.request("POST", path, {"data": wanted})
            if saved.status in (200, 422, 500):
                self._routes = (route,)
                return
            if saved.status not in _NO_SUCH_ROUTE:
                raise self._refused(saved)
        raise RegistrationFailed(
            f"{self._host} has no integration of this kind: OpenReplay up to v1.20 cannot show "
            "these lines. Upgrade it, or check that the address is OpenReplay's"
        )

    def _change(self, method: str, project: int, body: object = None) -> None:
        # The route is known, because the integration was found there.
        (route,) = self._routes
        answer = self.openreplay.request(method, route.format(project=project), body)
        if answer.status != 200:
            raise self._refused(answer)

    @property
    def _host(self) -> str:
        return str(self.openreplay.server.hostname)

    def _refused(self, answer: Answer) -> RegistrationFailed:
        return RegistrationFailed(
            f"{self._host} answered with {answer.status}: check the project's number, and that "
            "this member can change its integrations"
        )


def _options_of(answer: Answer) -> Options | None:
    """Return the values in the response to a GET; empty if OpenReplay stores ``null``."""
    if answer.status != 200:
        return None
    if answer.text.strip() == "null":
        return {}
    body = answer.body
    if isinstance(body, dict) and isinstance(body.get("data"), dict):
        body = body["data"]
    return body if isinstance(body, dict) else None


def _different(stored: Options, wanted: Options) -> list[str]:
    return sorted(name for name, value in wanted.items() if stored.get(name) != value)


def _not_ours(stored: Options) -> NotOurs:
    return NotOurs(
        f"its Elasticsearch integration points to {integration_host(stored)}, which is not this "
        "deployment's bridge"
    )


def _address_of(url: str) -> tuple[str, int | None] | None:
    """Return the host and port of a URL, or None if it has no host."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _DEFAULT_PORTS.get(parts.scheme)) if host else None
