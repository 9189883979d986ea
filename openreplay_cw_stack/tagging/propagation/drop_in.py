"""A replacement for the monkey patch on OpenReplay's CloudWatch page, with the same API.

Replace the page's code with ``from openreplay_cw_stack.tagging.propagation import drop_in``. Set
``drop_in.OPENREPLAY_SESSION_TOKEN = token`` instead of the global variable, in every request, and
None in requests without a token. The import installs the tagging.

The variable belongs to the thread or the asyncio task that sets it, not to the whole process. The
middleware and decorators of this package set the session for you, and end it with the request.
"""

from __future__ import annotations

import sys
import types

from openreplay_cw_stack.tagging.propagation.context import current_session, set_session
from openreplay_cw_stack.tagging.propagation.installation import install
from openreplay_cw_stack.tagging.propagation.session import session_of_token

OPENREPLAY_SESSION_TOKEN: str | None
"""The session token of the current request; an invalid token counts as None."""


class _DropIn(types.ModuleType):
    @property
    def OPENREPLAY_SESSION_TOKEN(self) -> str | None:  # noqa: N802
        session = current_session()
        return None if session is None else session.token

    @OPENREPLAY_SESSION_TOKEN.setter
    def OPENREPLAY_SESSION_TOKEN(self, token: object) -> None:  # noqa: N802
        set_session(session_of_token(token))


sys.modules[__name__].__class__ = _DropIn
install()
