"""Prints what cdk-nag 2 finds in the variants of test_nag.py; it must come first on the path."""

from __future__ import annotations

import contextlib
import json
from importlib import metadata
from typing import Any

import aws_cdk as cdk

from openreplay_cw_stack.infra.internal import acknowledgements
from tests.infra.conftest import a_stack
from tests.infra.test_nag import PACKS, VARIANTS, a_host


def findings(stack: cdk.Stack, *, below: str = "") -> list[str]:
    """Id and text of every error and warning on our constructs, failing rules included."""
    pack: Any  # Of version 2; type checkers see 3.
    for pack in PACKS:
        cdk.Aspects.of(stack).add(pack(verbose=True, reports=False))
    with contextlib.suppress(RuntimeError):  # What an error ends the synthesis with
        app: Any = stack.node.root
        app.synth()
    return [
        f"{construct.node.path}: {entry.data}"
        for construct in stack.node.find_all()
        if construct.node.path.startswith(below)
        for entry in construct.node.metadata
        if entry.type in ("aws:cdk:error", "aws:cdk:warning")
    ]


def main() -> None:
    """One JSON object on standard output."""
    of_each = {name: findings(a_stack(**VARIANTS[name])) for name in VARIANTS}
    of_each["host"] = findings(a_host(), below="Host/OpenReplay/")
    acknowledgements.cdk_nag_2_is_installed = lambda: False  # type: ignore[assignment]
    print(
        json.dumps(
            {
                "version": metadata.version("cdk-nag"),
                "findings": of_each,
                "unacknowledged": findings(a_stack()),
            }
        )
    )


if __name__ == "__main__":
    main()
