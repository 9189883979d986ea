"""A member of OpenReplay, who logs in once and changes one project after another.

Each login ends the member's other logins, and OpenReplay limits the request rate of a member. A
member therefore never changes two projects at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.http_calls import RateLimited, RegistrationFailed, Sleep
from openreplay_cw_stack.openreplay.integrations import Integrations
from openreplay_cw_stack.openreplay.login import LoginEnded, OpenReplayClient, log_in
from openreplay_cw_stack.runtime.aws_calls import CallFailed

_LOGINS = 5
_MIN_WAIT_SECONDS, _MAX_WAIT_SECONDS = 1.0, 6.0

Changed = TypeVar("Changed")
"""The result of changing a project."""


class MemberFailed(RegistrationFailed):
    """The member cannot change any project right now. The message says why."""


class Member:
    """A member, who logs in when the first project is changed."""

    def __init__(
        self, url: str, read_login: Callable[[], Mapping[str, str]], *, insecure: bool, sleep: Sleep
    ) -> None:
        """Create a member.

        Args:
            url: OpenReplay's URL.
            read_login: returns ``email`` and ``password``; can raise :class:`CallFailed`.
            insecure: allow ``http://``.
            sleep: waits for a number of seconds.
        """
        self._url, self._insecure = url, insecure
        self._read_login = read_login
        self._sleep = sleep
        self._logins_left = _LOGINS
        self._integrations: Integrations | None = None

    def change(self, change: Callable[[Integrations], Changed]) -> Changed:
        """Change a project, and log in again if another login of the member ended this one.

        Raises:
            MemberFailed: the login is rejected or ends each time, or OpenReplay throttles the
                member's requests.
            RegistrationFailed: the change failed.
        """
        while True:
            integrations = self._logged_in()
            try:
                return change(integrations)
            except LoginEnded as ended:
                self._integrations = None
                if not self._logins_left:
                    raise MemberFailed(str(ended)) from None
                self._sleep(
                    random.uniform(_MIN_WAIT_SECONDS, _MAX_WAIT_SECONDS)  # noqa: S311
                )
            except RateLimited as limited:
                raise MemberFailed(str(limited)) from None

    def _logged_in(self) -> Integrations:
        if self._integrations is None:
            self._logins_left -= 1
            try:
                self._integrations = Integrations(self._log_in())
            except (RegistrationFailed, ValueError) as failed:
                raise MemberFailed(str(failed)) from None
        return self._integrations

    def _log_in(self) -> OpenReplayClient:
        server = checked_url(self._url, insecure=self._insecure)
        try:
            login = self._read_login()
        except CallFailed as failed:
            raise MemberFailed(
                f"the login secret cannot be read: {failed}. Check that the secret exists, that "
                "this function can use its KMS key and, if the secret is in another account, that "
                "the secret's policy allows this function's role"
            ) from None
        email, password = login.get("email"), login.get("password")
        if not email or not password:
            raise MemberFailed(
                "the login secret holds no login: store a JSON object with email and password"
            )
        return log_in(server, email, password, sleep=self._sleep)
