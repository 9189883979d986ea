"""What a deployed stack says of itself: its outputs, and the secrets that they name."""

from __future__ import annotations

import json
from dataclasses import dataclass

from openreplay_cw_stack.commands.aws import asked, aws_client
from openreplay_cw_stack.commands.errors import CommandFailed


@dataclass(frozen=True)
class StackValues:
    """A deployed stack.

    Attributes:
        name: the stack's.
        region: where it is.
        outputs: by name.
    """

    name: str
    region: str
    outputs: dict[str, str]

    def output(self, name: str, meaning: str) -> str:
        """An output.

        Raises:
            CommandFailed: the stack has no output of that name.
        """
        value = self.outputs.get(name)
        if value is None:
            raise CommandFailed(
                f"the stack {self.name} has no output {name}: it was deployed without {meaning}, "
                "or is another stack; its name is in `make deploy`'s output"
            )
        return value


def read_stack(name: str) -> StackValues:
    """Read a stack's outputs with the credentials of the environment.

    Raises:
        CommandFailed: boto3 is not installed, or AWS refuses.
    """
    client = aws_client("cloudformation")
    found = asked(f"read the stack {name}", client.describe_stacks, StackName=name)["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
    return StackValues(name, str(client.meta.region_name), outputs)


def read_secret(arn: str) -> dict[str, str]:
    """The JSON object that a secret holds.

    Raises:
        CommandFailed: AWS refuses.
    """
    client = aws_client("secretsmanager")
    answer = asked("read the secret", client.get_secret_value, SecretId=arn)
    value: dict[str, str] = json.loads(answer["SecretString"])
    return value
