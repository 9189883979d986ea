"""Registers the bridge with a project of OpenReplay.

OpenReplay v1.21 and later always answer the first POST with 422 and save the row, and the second
one with 500. They answer every PATCH with 200. Only a GET says what is stored, so each registration
ends with one.
"""

from __future__ import annotations

from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm
from openreplay_cw_stack.openreplay.http_calls import Answer, RegistrationFailed
from openreplay_cw_stack.openreplay.login import ELASTICSEARCH_PATHS, LoggedIn


def register_bridge(openreplay: LoggedIn, project: int, form: BridgeForm) -> None:
    """Register the bridge with a project, or update its registration.

    Raises:
        RegistrationFailed: OpenReplay did not store the values, or has no such integration (up to
            v1.20).
    """
    path = _elasticsearch_path(openreplay, project, form)
    updated = openreplay.ask("PATCH", path, {"data": form.as_options()})
    if updated.status != 200:
        raise _refused(openreplay, updated)
    _check_stored(openreplay, path, form.as_options())


def unregister_bridge(openreplay: LoggedIn, project: int) -> None:
    """Remove the registration of a project, if there is one.

    Raises:
        RegistrationFailed: OpenReplay answers with an error.
    """
    for path in _paths(project):
        removed = openreplay.ask("DELETE", path)
        if removed.status == 200:
            return
        if removed.status not in (404, 405):
            raise _refused(openreplay, removed)


def stored_options(openreplay: LoggedIn, path: str) -> dict[str, object]:
    """Return what OpenReplay stores at a path; empty if there is nothing."""
    body = openreplay.ask("GET", path).body
    if isinstance(body, dict) and isinstance(body.get("data"), dict):
        body = body["data"]
    return body if isinstance(body, dict) else {}


def stored_bridge(openreplay: LoggedIn, project: int) -> dict[str, object]:
    """Return the values of a project's Elasticsearch form; empty if it has none."""
    for path in _paths(project):
        stored = stored_options(openreplay, path)
        if "url" in stored or "api_key" in stored:
            return stored
    return {}


def _elasticsearch_path(openreplay: LoggedIn, project: int, form: BridgeForm) -> str:
    """Create the row if there is none, and return its path, which depends on the version."""
    for path in _paths(project):
        saved = openreplay.ask("POST", path, {"data": form.as_options()})
        # 422: saved, with an error about credentials that OpenReplay never tried. 500: it exists.
        if saved.status in (200, 422, 500):
            return path
        if saved.status not in (404, 405):
            raise _refused(openreplay, saved)
    raise RegistrationFailed(
        f"{openreplay.server.hostname} has no integration of this kind: OpenReplay up to v1.20 "
        "cannot show these lines, upgrade it; or the address is not OpenReplay's"
    )


def _paths(project: int) -> list[str]:
    return [path.format(project=project) for path in ELASTICSEARCH_PATHS]


def _check_stored(openreplay: LoggedIn, path: str, wanted: dict[str, str]) -> None:
    stored = stored_options(openreplay, path)
    different = sorted(name for name, value in wanted.items() if stored.get(name) != value)
    if different:
        raise RegistrationFailed(
            f"{openreplay.server.hostname} has not stored {', '.join(different)}: is the project's "
            "number right, and may this member change its integrations?"
        )


def _refused(openreplay: LoggedIn, answer: Answer) -> RegistrationFailed:
    return RegistrationFailed(
        f"{openreplay.server.hostname} answered with {answer.status}: is the project's number "
        "right, and may this member change its integrations?"
    )
