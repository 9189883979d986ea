"""The stack's options from the CDK context: ``cdk.json``, or ``-c key=value`` on the command line.

Values on the command line are text; in ``cdk.json`` they may also be lists, numbers and booleans.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from openreplay_cw_stack.infra.internal.option_checks import (
    InvalidOptions,
    Option,
    check_context,
    declared_options,
    similar_options,
)
from openreplay_cw_stack.infra.internal.option_kinds import Text
from openreplay_cw_stack.infra.options import (
    FIRST_LOG_GROUP,
    WHAT_IS_TRACKED,
    OpenReplayCloudWatchOptions,
)


class ContextOptions(OpenReplayCloudWatchOptions, total=False):
    """The options that the app reads from the context: the stack's options and its name."""

    stack_id: Annotated[
        str,
        Option(
            Text(
                "[A-Za-z][A-Za-z0-9-]{0,127}",
                "give a letter, then letters, digits and hyphens, at most 128 characters in total",
            ),
            "OpenReplayCloudWatch",
            "The name of the stack",
        ),
    ]


CONTEXT_OPTIONS = {
    name: option for name, option in declared_options(ContextOptions).items() if option.in_context
}
"""Every option of the context by name, in the order of the table in ``docs/options.md``."""


def options_from_context(context: Mapping[str, object]) -> dict[str, Any]:
    """Return the keyword arguments of :class:`OpenReplayCloudWatchStack`, and ``stack_id``.

    Other keys are ignored, since the CDK, its feature flags and other tools also use the context.
    A key that resembles the name of an option is an error. If the context names no log group, the
    app creates one.

    Raises:
        InvalidOptions: the context has errors; the exception lists all of them.
    """
    errors = [
        f"{key}: unknown option; did you mean {close[0]}?"
        for key in context
        if key not in CONTEXT_OPTIONS and (close := similar_options(key, CONTEXT_OPTIONS))
    ]
    given = {key: value for key, value in context.items() if key in CONTEXT_OPTIONS}
    for key in [key for key, value in given.items() if _is_empty(value)]:
        errors.append(
            f"{key}: the value is empty; give one or omit {key}. Is an environment variable unset?"
        )
        del given[key]
    try:
        checked = check_context(ContextOptions, given)
    except InvalidOptions as invalid:
        errors += invalid.errors
    if errors:
        raise InvalidOptions(errors)
    options = {name: checked.values[name] for name in given}
    if not any(map(options.get, WHAT_IS_TRACKED)):
        options["new_log_groups"] = (FIRST_LOG_GROUP,)
    return options


def _is_empty(value: object) -> bool:
    return isinstance(value, str) and not value.strip()
