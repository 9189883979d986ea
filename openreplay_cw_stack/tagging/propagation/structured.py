"""A structlog processor, for programs whose structlog does not write through ``logging``."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_tag
from openreplay_cw_stack.tagging.propagation.lines import FIELD_NAMES, agree, field_of, without_tag


def add_session_tag(
    logger: Any,  # noqa: ARG001
    method_name: str,  # noqa: ARG001
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add the session field to an event, as a structlog processor before a JSON renderer.

    Make it the last processor before the renderer. If structlog writes through ``logging``,
    ``install()`` alone is enough; together they add the field once. Lines of other renderers are
    not JSON and get the tag from ``install()`` or ``install(stdout=True)``. Other session fields of
    the event stay only if they name the same session.
    """
    tag = current_tag()
    if not tag:
        return event_dict
    for key, value in event_dict.items():
        # A traceback that was formatted earlier has the tag in every line.
        if isinstance(value, str) and tag in value:
            event_dict[key] = without_tag(value, tag)
    name, value = field_of(tag)
    event_dict[name] = value
    fields = {key: event_dict[key] for key in FIELD_NAMES if key in event_dict}
    if len(fields) > 1 and not _agree(fields):
        for key in fields.keys() - {name}:
            del event_dict[key]
    return event_dict


def _agree(fields: dict[str, Any]) -> bool:
    try:
        return agree([json.dumps(fields)[1:-1]])
    except (TypeError, ValueError, RecursionError):
        return False
