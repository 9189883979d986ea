"""The CDK app: options from the context, the stack, cdk-nag, synth."""

from __future__ import annotations

import os

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from openreplay_cw_stack import OpenReplayCloudWatchStack
from openreplay_cw_stack.infra.context import options_from_context


def main() -> None:
    """Build and synthesise the app. A wrong option ends it with a message, not a traceback."""
    app = cdk.App()
    try:
        options = options_from_context(app.node.get_all_context())
        stack_id = options.pop("stack_id", "OpenReplayCloudWatch")
        OpenReplayCloudWatchStack(app, stack_id, env=_environment_of_the_cli(), **options)
    except ValueError as error:
        raise SystemExit(f"Wrong options: {error}") from None
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(verbose=True))
    try:
        app.synth()
    except RuntimeError as error:
        raise SystemExit(f"Synthesis failed: {error}") from None


def _environment_of_the_cli() -> cdk.Environment | None:
    """Return the target of the CLI; None without credentials, as in an offline synth.

    With a target, synthesis refuses log groups of another account or region.
    """
    account, region = (os.environ.get(f"CDK_DEFAULT_{name}") for name in ("ACCOUNT", "REGION"))
    return cdk.Environment(account=account, region=region) if account and region else None


if __name__ == "__main__":
    main()
