"""Judges whether the policy of a KMS key allows a principal, without a call to AWS.

Conditions are not evaluated: an ``Allow`` with conditions counts as an ``Allow`` without them, and
a ``Deny`` with conditions is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]


def statements_of(policy: str) -> list[Statement]:
    """Return the statements of a policy document.

    Raises:
        ValueError: the text is not a policy document.
    """
    document = json.loads(policy)
    if not isinstance(document, dict):
        raise ValueError("a policy document is a JSON object")
    statements = document.get("Statement", [])
    return [one for one in _list(statements) if isinstance(one, dict)]


def missing_actions(
    statements: Sequence[Statement], principals: Iterable[str], actions: Sequence[str]
) -> list[str]:
    """Return the actions that a key's policy does not allow.

    Args:
        statements: the statements of the policy.
        principals: the names of the principal in the policy, as ``Service:...`` or ``AWS:...``.
        actions: the actions to check, such as ``kms:Decrypt``.
    """
    own = {*principals, "*", "AWS:*"}
    ours = [one for one in statements if own & _principals(one)]
    return [action for action in actions if not _allowed(ours, action)]


def _allowed(statements: Sequence[Statement], action: str) -> bool:
    matching = [one for one in statements if _has_action(one, action)]
    denied = any(one.get("Effect") == "Deny" and not one.get("Condition") for one in matching)
    return not denied and any(one.get("Effect") == "Allow" for one in matching)


def _has_action(statement: Statement, action: str) -> bool:
    if "NotAction" in statement:
        return not _matches(statement["NotAction"], action)
    return _matches(statement.get("Action", []), action)


def _matches(patterns: Any, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in _list(patterns))


def _principals(statement: Statement) -> set[str]:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        return {f"{kind}:{name}" for kind, names in principal.items() for name in _list(names)}
    return {str(principal)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
