"""The login to OpenReplay's HTTP API, and calls of it.

``api/routers/core_dynamic.py`` (login) and ``backend/pkg/integrations/api/handlers.go``
(integrations) at tags v1.21.0 to v1.27.0.
"""

from __future__ import annotations

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

SAAS_HOST = "api.openreplay.com"
"""The API of OpenReplay's own service. Its login has no ``/api`` in front."""

_SAAS_FRONTENDS = ("app.openreplay.com", "openreplay.com", "www.openreplay.com")


class LoginRefused(RegistrationFailed):
    """OpenReplay refuses the login, or this way of logging in."""


class LoginEnded(LoginRefused):
    """The login is no longer valid, since the same member logged in elsewhere."""


@dataclass(frozen=True)
class OpenReplayClient:
    """The API of an OpenReplay, with the credential of a member.

    Attributes:
        server: its address.
        jwt: the member's credential.
        sleep: waits before a request that was refused with 429 is sent again.
    """

    server: SplitResult
    jwt: str = field(repr=False)
    sleep: Sleep = field(default=time.sleep, repr=False)

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request as that member and return the answer.

        Raises:
            LoginEnded: the credential is no longer valid.
            RateLimited: OpenReplay refuses the request with 429, also after pauses.
            RegistrationFailed: there was no answer, or a redirect.
        """
        headers = {"Authorization": f"Bearer {self.jwt}"}
        answer = call_patiently(
            lambda: call(self.server, method, path, headers=headers, body=body),
            str(self.server.hostname),
            self.sleep,
        )
        if answer.status in (401, 403):
            raise LoginEnded(
                f"{self.server.hostname} does not accept the login any more: each login ends that "
                "member's other ones; use a member of its own for this"
            )
        return answer


def check_is_api(server: SplitResult) -> None:
    """Check that an address is not the frontend of OpenReplay's own service.

    Raises:
        RegistrationFailed: it is.
    """
    if server.hostname in _SAAS_FRONTENDS:
        raise RegistrationFailed(
            f"{server.hostname} is not the API of OpenReplay's own service: name "
            f"https://{SAAS_HOST}"
        )


def log_in(
    server: SplitResult, email: str, password: str, *, sleep: Sleep = time.sleep
) -> OpenReplayClient:
    """Log a member in. This ends that member's other logins.

    Args:
        server: OpenReplay's address.
        email: the member's.
        password: the member's.
        sleep: see :class:`OpenReplayClient`.

    Raises:
        LoginRefused: email or password is wrong, or OpenReplay asks for a captcha or a single
            sign-on.
        RegistrationFailed: there was no answer, or an unexpected one.
    """
    check_is_api(server)
    host = str(server.hostname)
    path = "/login" if host == SAAS_HOST else "/api/login"
    credentials = {"email": email, "password": password}
    answer = call_patiently(lambda: call(server, "POST", path, body=credentials), host, sleep)
    jwt = answer.body.get("jwt") if isinstance(answer.body, dict) else None
    if answer.status == 200 and isinstance(jwt, str) and jwt:
        return OpenReplayClient(server, jwt, sleep)
    raise _refused(host, answer)


def _refused(host: str, answer: Answer) -> RegistrationFailed:
    said = answer.text.lower()
    by_hand = "log in with a browser and pass the value of `jwt` from its answer to the login"
    if "captcha" in said:
        return LoginRefused(
            f"{host} asks for a captcha, which this command cannot answer: {by_hand}"
        )
    if "sso" in said or "single sign" in said:
        return LoginRefused(f"{host} wants a single sign-on of this member: {by_hand}")
    if answer.status == 422:
        return LoginRefused(f"{host} does not take the email for an address: is it complete?")
    if answer.status in (400, 401, 403):
        return LoginRefused(f"{host} does not know this email with this password")
    return RegistrationFailed(f"{host} answered the login with {answer.status}: is it OpenReplay?")
