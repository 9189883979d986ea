"""The CDK app: settings from the context, the stack, cdk-nag, synth."""

from __future__ import annotations

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from openreplay_cw_stack import OpenReplayCloudWatchStack
from openreplay_cw_stack.infra.stack_settings import settings_from_context


def main() -> None:
    """Build and synthesise the app; a wrong setting ends it with a message, not a traceback."""
    app = cdk.App()
    try:
        settings = settings_from_context(app.node.get_all_context())
        stack_id = settings.pop("stack_id", "OpenReplayCloudWatch")
        OpenReplayCloudWatchStack(app, stack_id, **settings)
    except ValueError as error:
        raise SystemExit(f"The settings are not right:\n{error}") from None
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(verbose=True))
    try:
        app.synth()
    except RuntimeError as error:
        raise SystemExit(f"The app is not right:\n{error}") from None


if __name__ == "__main__":
    main()
