"""structlog, where it does not write through ``logging``."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_tag
from openreplay_cw_stack.tagging.propagation.lines import without_tag


def add_session_tag(
    logger: Any,  # noqa: ARG001
    method_name: str,  # noqa: ARG001
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """A structlog processor that puts the session tag in front of the event.

    Put it last before the renderer. Where structlog writes through ``logging``, ``install()`` does
    it already; both together tag once.
    """
    tag = current_tag()
    if tag:
        for key, value in event_dict.items():
            # Tracebacks that were formatted before have it in every line.
            if isinstance(value, str) and tag in value:
                event_dict[key] = without_tag(value, tag)
        event_dict["event"] = f"{tag} {event_dict.get('event', '')}"
    return event_dict
