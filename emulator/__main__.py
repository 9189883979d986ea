"""`python -m emulator`: run the embedded AWS in a terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from emulator import server
from emulator.environment import environment_for
from emulator.patching import IncompatibleMiniStack

DEFAULT_PORT = 4566


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator in the foreground and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.supervised is not None:
        # This process leads its own group, so killing the group kills no other process.
        assert os.getpgrp() == os.getpid(), "--supervised needs a process group of its own"
        server.end_with_parent(options.supervised)
        return _run(options, options.supervised / "tmp")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    with server.temporary_directory() as temporary:
        return _run(options, temporary)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 selects a free port")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument(
        "--supervised",
        type=Path,
        metavar="DIRECTORY",
        help="for the Emulator class: keep all files in DIRECTORY, exit with the parent process",
    )
    return parser


def _run(options: argparse.Namespace, temporary: Path) -> int:
    try:
        listener = server.listen(options.port)
    except OSError as error:
        print(f"Port {options.port} of 127.0.0.1 cannot be used: {error}", file=sys.stderr)
        return 1
    port = listener.getsockname()[1]
    server.configure(os.environ, port=port, region=options.region, temporary=temporary)
    try:
        server.install_extensions()
    except IncompatibleMiniStack as error:
        print(error, file=sys.stderr)
        return 1

    def on_ready() -> None:
        if options.supervised is not None:
            _announce(options.supervised / "port", port)
        else:
            print(_instructions(port, options.region), flush=True)

    server.serve(listener, on_ready=on_ready)
    return 0


def _announce(path: Path, port: int) -> None:
    """Write the port in one step, so that no reader sees a partial number."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(str(port))
    unfinished.rename(path)


def _instructions(port: int, region: str) -> str:
    endpoint_url = f"http://127.0.0.1:{port}"
    exports = [
        f"  export {name}={value}" for name, value in environment_for(endpoint_url, region).items()
    ]
    return "\n".join(
        [
            f"An embedded AWS answers at {endpoint_url}, account 000000000000.",
            "",
            "Point the AWS CLI, boto3 and the CDK at it from another terminal:",
            "  unset AWS_PROFILE AWS_SESSION_TOKEN",
            *exports,
            "Then, for example:",
            "  aws logs describe-log-groups",
            f"  npx cdk bootstrap aws://000000000000/{region} && npx cdk deploy",
            "  python -c \"import boto3; print(boto3.client('logs').describe_log_groups())\"",
            "Turn the evaluation of IAM policies on or off:",
            f"  curl -d '{{\"enabled\": true}}' {endpoint_url}{server.CONTROL_PATH}",
            "",
            "Ctrl-C ends it, and everything in it.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
