"""The combinations of options that are errors. Each error begins with the option's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import aws_cdk as cdk

from openreplay_cw_stack.contract.openreplay_project import project_name
from openreplay_cw_stack.infra.choices import Ingest

MAX_PROJECTS = 25
"""The most projects of a deployment. Each uses one of the 50 tags that a secret can have."""

_ARN_NAME = re.compile(r"arn:[^:]+:logs:[^:]*:[^:]*:log-group:([^:]+)")
_TWICE = "track_account already tracks them, and every line would be delivered twice; omit one"


def contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each contradiction among the values of a group of options."""
    return [error for rule in _RULES for error in rule(values)]


def name_from_log_group(name_or_arn: str) -> str:
    """Return the name of a log group from its name or ARN."""
    match = _ARN_NAME.match(name_or_arn)
    return match.group(1) if match else name_or_arn


def _log_groups_named_twice(values: Mapping[str, Any]) -> Iterator[str]:
    new = set(values.get("new_log_groups", ()))
    names = [
        name_from_log_group(one) for one in values.get("log_groups", ()) if isinstance(one, str)
    ]
    for name in dict.fromkeys(names):
        if name in new:
            yield f"log_groups: {name!r} is also in new_log_groups; name it once"
    yield from _twice_in("log_groups", [repr(name) for name in names if name not in new])


def _twice_in(option: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{option}: {name} is in the list twice; name it once"


def _account_and_log_groups(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("track_account"):
        for name in ("log_groups", "new_log_groups"):
            if values.get(name):
                yield f"{name}: {_TWICE}"
    elif values.get("excluded_log_groups"):
        yield (
            "excluded_log_groups: it has no effect without track_account, since only the named log "
            "groups are tracked; omit it"
        )


def _source_accounts(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("source_accounts") and values.get("ingest") is not Ingest.KINESIS:
        yield "source_accounts: other accounts cannot subscribe to a function; use ingest=kinesis"


def _session_table(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("session_table") and values.get("session_table_write_limit"):
        yield (
            "session_table_write_limit: it limits a new session table, but session_table names an "
            "existing one; omit one"
        )


def _service_account(values: Mapping[str, Any]) -> Iterator[str]:
    named = values.get("service_account_log_groups")
    if named and not values.get("service_account", True):
        yield "service_account_log_groups: it has no effect with service_account=false; omit one"
    if values.get("track_account") and values.get("service_account") and not named:
        yield (
            "service_account_log_groups: it is required with track_account; name the log groups "
            "that OpenReplay reads, or set service_account to false"
        )


def _rotation(values: Mapping[str, Any]) -> Iterator[str]:
    rotation = values.get("rotation")
    if rotation is None:
        return
    if not (values.get("bridge", True) or values.get("service_account", True)):
        yield "rotation: there is no key to rotate, since bridge and service_account are false"
    grace: cdk.Duration | None = values.get("rotation_grace")
    if grace is not None and grace.to_seconds() > rotation.to_seconds():
        yield (
            f"rotation_grace: {grace.to_hours(integral=False):g} hours are longer than rotation "
            f"({rotation.to_hours(integral=False):g} hours), and the next rotation would cut it "
            "short; give at most the value of rotation"
        )
    if values.get("key_serial", 1) != 1:
        yield "key_serial: it replaces a key that is not rotated; omit it or rotation"


def _projects(values: Mapping[str, Any]) -> Iterator[str]:
    projects = values.get("openreplay_projects", ())
    if not projects:
        return
    if not values.get("bridge", True):
        yield "openreplay_projects: it needs the bridge, and bridge is false; omit one"
    if len(projects) > MAX_PROJECTS:
        yield (
            f"openreplay_projects: {len(projects)} projects are given, and a deployment can have "
            f"{MAX_PROJECTS}; create another deployment for the others"
        )
    yield from _twice_in("openreplay_projects", map(_name_of, projects))


def _name_of(project: Any) -> str:
    if isinstance(project, Mapping):
        return project_name(str(project["url"]), int(project["project_id"]))
    return str(project.name)


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[str]], ...] = (
    _log_groups_named_twice,
    _account_and_log_groups,
    _source_accounts,
    _session_table,
    _service_account,
    _rotation,
    _projects,
)
