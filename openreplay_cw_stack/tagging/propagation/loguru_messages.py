"""Tag the output of loguru, for every sink.

loguru stores ``sys.stderr`` when it is imported, and a sink with ``enqueue=True`` writes in its own
thread. The messages are therefore tagged when they are formatted, in the thread that logs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_as
from openreplay_cw_stack.tagging.propagation.exceptions import session_for
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches


def patch_loguru(patches: Patches) -> None:
    """Tag loguru's messages; do nothing if loguru is not imported."""
    module = sys.modules.get("loguru._handler")
    handler = getattr(module, "Handler", None)
    patches.replace(handler, "emit", functools.partial(_emitting, patches))
    patches.replace(module, "Message", functools.partial(_tagging_messages, patches))


def _emitting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def emit(handler: Any, record: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        exception = record.get("exception") if patches.on else None
        session = session_for(exception.value) if exception else None
        if session is None or session is current_session():
            return original(handler, record, *args, **kwargs)
        # The error is logged after the session in which it was raised has ended.
        return run_as(session, original, handler, record, *args, **kwargs)

    return emit


def _tagging_messages(patches: Patches, original: type[str]) -> type[str]:
    """Return a class of messages that tags the text it is created from.

    loguru's queue pickles messages by the name of their class. Unpickling does not call the class,
    so a message keeps its text.
    """

    class Calling(type):
        def __call__(cls, text: str) -> Any:
            session = current_session() if patches.on else None
            return super().__call__(text if session is None else tag_text(text, session.tag))

    names = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    tagging: Any = Calling(original.__name__, (original,), {"__slots__": (), **names})
    return tagging  # type: ignore[no-any-return]
