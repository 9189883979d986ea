"""Reads, writes and removes the Elasticsearch integration of OpenReplay's projects.

A project has one integration of this kind, which may be its owner's: each change looks first. It
overwrites or removes only an integration of this bridge, unless it is forced to.

OpenReplay v1.21 and later answer the first POST with 422 and save the row, and POST of a row that
exists, or to a project that does not, with 500. They answer each PATCH and DELETE with 200. Only a
GET says what is stored, so each change ends with one.
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
    """What a call has changed."""

    REGISTERED = "registered"
    """The project has the bridge's URL and key now."""
    UNCHANGED = "unchanged"
    """It had them before."""
    REMOVED = "removed"
    """The integration is gone."""
    ABSENT = "absent"
    """There was none."""


class NotOurs(RegistrationFailed):
    """The project has an integration that is not of this bridge. It was left as it is."""


def is_of_bridge(stored: Options, form: BridgeForm) -> bool:
    """Return whether an integration is the bridge's, so that it may be overwritten or removed.

    It is where it has the bridge's host, or its key: the bridge's URL can change, and nobody else
    has the key. A row without a URL and a key is nobody's.

    Args:
        stored: the values that OpenReplay stores.
        form: the bridge's own.
    """
    if not stored.get("url") and not stored.get("api_key"):
        return True
    key = (stored.get("api_key_id"), stored.get("api_key"))
    if form.api_key and key == (form.api_key_id, form.api_key):
        return True
    address = _address_of(str(stored.get("url")))
    return address is not None and address == _address_of(form.url)


def integration_host(stored: Options) -> str:
    """Return the host of an integration's URL, which may have a password in it."""
    address = _address_of(str(stored.get("url") or ""))
    return address[0] if address else "no host"


@dataclass
class Integrations:
    """The Elasticsearch integrations of an OpenReplay.

    Attributes:
        openreplay: the API, with the credential of a member.
    """

    openreplay: OpenReplayClient
    _routes: tuple[str, ...] = field(default=_ROUTES, repr=False)
    """Those of every version; the only one of this version once it is known."""

    def stored(self, project: int) -> Options | None:
        """Return a project's integration, or None if it has none.

        Raises:
            RegistrationFailed: OpenReplay answers with an error.
        """
        for route in self._routes:
            path = route.format(project=project)
            answer = self.openreplay.request("GET", path)
            options = _options_of(answer)
            if options is not None:
                self._routes = (route,)
                return options
            # Up to v1.20 the frontend answers with its page.
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
            NotOurs: there is another integration, and ``force`` is False.
            RegistrationFailed: OpenReplay did not store the values, or has no such integration (up
                to v1.20).
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
                f"{self._host} has not stored {', '.join(different)} for project {project}: is the "
                "project's number right, and may this member change its integrations?"
            )
        return Change.REGISTERED

    def remove(self, project: int, form: BridgeForm, *, force: bool = False) -> Change:
        """Remove the registration of a project, if there is one.

        Args:
            project: the project's number.
            form: the bridge's URL and key.
            force: remove an integration that is not the bridge's.

        Raises:
            NotOurs: there is another integration, and ``force`` is False.
            RegistrationFailed: OpenReplay answers with an error, or has not removed it.
        """
        found = self.stored(project)
        if found is None:
            return Change.ABSENT
        if not force and not is_of_bridge(found, form):
            raise _not_ours(found)
        self._change("DELETE", project)
        if self.stored(project) is not None:
            raise RegistrationFailed(
                f"{self._host} has not removed the integration of project {project}: may this "
                "member change its integrations?"
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
            "these lines, upgrade it; or the address is not OpenReplay's"
        )

    def _change(self, method: str, project: int, body: object = None) -> None:
        # The route is known: the integration was found there.
        (route,) = self._routes
        answer = self.openreplay.request(method, route.format(project=project), body)
        if answer.status != 200:
            raise self._refused(answer)

    @property
    def _host(self) -> str:
        return str(self.openreplay.server.hostname)

    def _refused(self, answer: Answer) -> RegistrationFailed:
        return RegistrationFailed(
            f"{self._host} answered with {answer.status}: is the project's number right, and may "
            "this member change its integrations?"
        )


def _options_of(answer: Answer) -> Options | None:
    """The values in the answer to a GET; none in them where OpenReplay stores ``null``."""
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
        f"its Elasticsearch integration asks {integration_host(stored)}, which is not this "
        "deployment's bridge"
    )


def _address_of(url: str) -> tuple[str, int | None] | None:
    """Host and port of a URL, or None if it has no host."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or _DEFAULT_PORTS.get(parts.scheme)) if host else None
