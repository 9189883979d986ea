"""The login to OpenReplay's HTTP API, and calls of it.

``api/routers/core_dynamic.py`` (login) and ``backend/pkg/integrations/api/handlers.go``
(integrations) at tags v1.21.0 to v1.27.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult

from openreplay_cw_stack.openreplay.http_calls import (
    Answer,
    RegistrationFailed,
    call,
)

ELASTICSEARCH_PATHS = (
    # v1.23 and later.
    "/integrations/{project}/integration/elasticsearch",
    # v1.21 and v1.22.
    "/integrations/v1/integrations/elasticsearch/{project}",
)


class LoginRefused(RegistrationFailed):
    """OpenReplay refuses the login, or this way of logging in."""


class LoginEnded(LoginRefused):
    """The login is no longer valid, since the same member logged in elsewhere."""


@dataclass(frozen=True)
class LoggedIn:
    """The API of an OpenReplay, with the credential of a member.

    Attributes:
        server: its address.
        jwt: the member's credential.
    """

    server: SplitResult
    jwt: str = field(repr=False)

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request as that member and return the answer.

        Raises:
            LoginEnded: the credential is no longer valid.
            RegistrationFailed: there was no answer, or a redirect.
        """
        headers = {"Authorization": f"Bearer {self.jwt}"}
        answer = call(self.server, method, path, headers=headers, body=body)
        if answer.status in (401, 403):
            raise LoginEnded(
                f"{self.server.hostname} does not accept the login any more: each login ends that "
                "member's other ones; use a member of its own for this"
            )
        return answer


def log_in(server: SplitResult, email: str, password: str) -> LoggedIn:
    """Log a member in. This ends that member's other logins.

    Raises:
        LoginRefused: email or password is wrong, or OpenReplay asks for a captcha or a single
            sign-on.
        RegistrationFailed: there was no answer, or an unexpected one.
    """
    answer = call(server, "POST", "/api/login", body={"email": email, "password": password})
    jwt = answer.body.get("jwt") if isinstance(answer.body, dict) else None
    if answer.status == 200 and isinstance(jwt, str) and jwt:
        return LoggedIn(server, jwt)
    raise _refused(str(server.hostname), answer)


def _refused(host: str, answer: Answer) -> RegistrationFailed:
    said = answer.text.lower()
    by_hand = "log in with a browser and pass the value of `jwt` from its answer to /api/login"
    if "captcha" in said:
        return LoginRefused(
            f"{host} asks for a captcha, which this command cannot answer: {by_hand}"
        )
    if "sso" in said or "single sign" in said:
        return LoginRefused(f"{host} wants a single sign-on of this member: {by_hand}")
    if answer.status in (400, 401, 403, 422):
        return LoginRefused(f"{host} does not know this email with this password")
    return RegistrationFailed(f"{host} answered the login with {answer.status}: is it OpenReplay?")
