"""Log in to OpenReplay's HTTP API and call it.

Sources: ``api/routers/core_dynamic.py`` (login) and ``backend/pkg/integrations/api/handlers.go``
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
"""The API host of OpenReplay's own service. Its login path has no ``/api`` prefix."""

_SAAS_FRONTENDS = ("app.openreplay.com", "openreplay.com", "www.openreplay.com")


class LoginRefused(RegistrationFailed):
    """OpenReplay rejects the login, or this way to log in."""


class LoginEnded(LoginRefused):
    """The login is no longer valid, because the same member logged in elsewhere."""


@dataclass(frozen=True)
class OpenReplayClient:
    """A client of OpenReplay's API, with a member's credential.

    Attributes:
        server: OpenReplay's URL.
        jwt: the member's credential.
        sleep: waits before a request that failed with 429 is retried.
    """

    server: SplitResult
    jwt: str = field(repr=False)
    sleep: Sleep = field(default=time.sleep, repr=False)

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request as that member and return the response.

        Raises:
            LoginEnded: the credential is no longer valid.
            RateLimited: OpenReplay still responds with 429 after all retries.
            RegistrationFailed: OpenReplay did not respond, or responded with a redirect.
        """
        headers = {"Authorization": f"Bearer {self.jwt}"}
        answer = call_patiently(
            lambda: call(self.server, method, path, headers=headers, body=body),
            str(self.server.hostname),
            self.sleep,
        )
        if answer.status in (401, 403):
            raise LoginEnded(
                f"{self.server.hostname} no longer accepts the login: each login ends the member's "
                "other logins; use a separate member for this"
            )
        return answer


def check_is_api(server: SplitResult) -> None:
    """Check that a URL is not the frontend of OpenReplay's own service.

    Raises:
        RegistrationFailed: the URL is that frontend.
    """
    if server.hostname in _SAAS_FRONTENDS:
        raise RegistrationFailed(
            f"{server.hostname} is not the API of OpenReplay's own service: use https://{SAAS_HOST}"
        )


def log_in(
    server: SplitResult, email: str, password: str, *, sleep: Sleep = time.sleep
) -> OpenReplayClient:
    """Log a member in. This ends that member's other logins.

    Args:
        server: OpenReplay's URL.
        email: the member's email.
        password: the member's password.
        sleep: see :class:`OpenReplayClient`.

    Raises:
        LoginRefused: the email or the password is wrong, or OpenReplay asks for a captcha or a
            single sign-on.
        RegistrationFailed: OpenReplay did not respond, or responded unexpectedly.
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
    by_hand = "log in with a browser and pass the value of `jwt` from the response to the login"
    if "captcha" in said:
        return LoginRefused(
            f"{host} asks for a captcha, which this command cannot answer: {by_hand}"
        )
    if "sso" in said or "single sign" in said:
        return LoginRefused(f"{host} requires a single sign-on from this member: {by_hand}")
    if answer.status == 422:
        return LoginRefused(f"{host} does not accept the email as an address: check it")
    if answer.status in (400, 401, 403):
        return LoginRefused(f"{host} rejects this email and password")
    return RegistrationFailed(f"{host} answered the login with {answer.status}: check the address")
