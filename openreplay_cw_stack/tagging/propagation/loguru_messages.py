"""The session tag on what loguru writes, whichever its sink.

loguru takes hold of ``sys.stderr`` when it is imported, and a sink with ``enqueue=True`` writes in
a thread of its own. Its messages are therefore tagged where they are put together: in the thread
that logs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_as, session_for
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from openreplay_cw_stack.tagging.propagation.patching import Patches


def patch_loguru(patches: Patches) -> None:
    """Have loguru's messages tagged; nothing where nobody has imported it."""
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
        # An error that is logged when the work that it comes from has ended.
        return run_as(session, original, handler, record, *args, **kwargs)

    return emit


def _tagging_messages(patches: Patches, original: type[str]) -> type[str]:
    """The class of messages, which tags the text that it is called with.

    A queue of loguru's pickles messages, by the name of their class; what is made from a pickle is
    not called, and stays as it is.
    """

    class Calling(type):
        def __call__(cls, text: str) -> Any:
            session = current_session() if patches.on else None
            return super().__call__(text if session is None else tag_text(text, session.tag))

    names = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    tagging: Any = Calling(original.__name__, (original,), {"__slots__": (), **names})
    return tagging  # type: ignore[no-any-return]
