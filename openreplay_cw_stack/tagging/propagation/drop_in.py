"""For programs with the monkey patch of OpenReplay's CloudWatch page: the same API, made right.

Where the page's code was pasted, write ``from openreplay_cw_stack.tagging.propagation import
drop_in`` instead, and ``drop_in.OPENREPLAY_SESSION_TOKEN = token`` where the global variable was
set, for every request, with None for the ones without a token. Importing it installs the tagging.

The variable is of the request at hand now: of the thread, or of the asyncio task, that set it. The
middleware and decorators of this package do all that by themselves, and end with the request.
"""

from __future__ import annotations

import sys
import types

from openreplay_cw_stack.tagging.propagation.context import current_session, set_session
from openreplay_cw_stack.tagging.propagation.installation import install
from openreplay_cw_stack.tagging.propagation.session import session_of_token

OPENREPLAY_SESSION_TOKEN: str | None
"""The session token of the request at hand; setting what is no session token means None."""


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
