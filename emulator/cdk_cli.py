"""The real CDK CLI, as pinned in package.json, pointed at the embedded AWS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLI = ROOT / "node_modules" / ".bin" / "cdk"


class CdkFailed(Exception):
    """The CDK CLI failed. The message contains the last lines of its output."""


class CdkCli:
    """Runs ``cdk`` in this project.

    Attributes:
        app: the CDK app, from the project's folder.
        environment: the environment of the command, such as ``Emulator.child_environment()``.
        output: the folder for the cloud assembly. Deployments at the same time need different
            folders.
    """

    def __init__(self, environment: Mapping[str, str], output: Path, app: str = "app.py") -> None:
        """Set the environment, the app and the folder for the cloud assembly."""
        self.environment = {
            **environment,
            # Node 20 works, but jsii would print an 11-line warning on every start.
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }
        self.output = output
        self.app = app

    def bootstrap(self) -> str:
        """Bootstrap the account. Required once, before the first deployment."""
        account = "aws://000000000000/" + self.environment["AWS_REGION"]
        return self.run(["bootstrap", account])

    def deploy(self, context: Mapping[str, str], outputs_file: Path) -> str:
        """Deploy every stack of the app, and write their outputs to a file."""
        return self.run(
            [
                "deploy",
                "--all",
                "--require-approval=never",
                "--progress=events",
                f"--outputs-file={outputs_file}",
                *_context(context),
            ]
        )

    def destroy(self, context: Mapping[str, str]) -> str:
        """Destroy every stack of the app."""
        return self.run(["destroy", "--all", "--force", *_context(context)])

    def run(self, arguments: Sequence[str]) -> str:
        """Run a command of the CLI and return its output.

        Raises:
            CdkFailed: the CLI failed, or is not installed.
        """
        if not CLI.exists():
            raise CdkFailed("the CDK CLI is not installed: run `npm ci` in the project's folder")
        command = [
            str(CLI),
            *arguments,
            "--no-notices",
            f"--app={sys.executable} {self.app}",
            f"--output={self.output}",
        ]
        with tempfile.TemporaryFile("w+") as printed:
            status = _run(command, self.environment, printed.fileno())
            printed.seek(0)
            text = printed.read()
        if status:
            tail = "\n".join(text.strip().splitlines()[-25:])
            raise CdkFailed(f"`cdk {arguments[0]}` ended with {status}:\n{tail}")
        return text


def _context(context: Mapping[str, str]) -> list[str]:
    return [part for key, value in context.items() for part in ("-c", f"{key}={value}")]


def _run(command: Sequence[str], environment: Mapping[str, str], output: int) -> int:
    """Run a command in its own process group, and end the group if the wait is interrupted."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise
