from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed, LazyClient, asked


class Client:
    region = "eu-central-1"

    def describe(self, **parameters: Any) -> dict[str, Any]:
        return parameters


class TestLazyClient:
    def test_it_is_made_once_at_its_first_use(self) -> None:
        made: list[Client] = []

        def make() -> Client:
            made.append(Client())
            return made[-1]

        client = LazyClient(make)
        assert made == []
        assert asked(client.describe, Name="x") == {"Name": "x"}
        assert client.region == "eu-central-1"
        assert len(made) == 1

    @pytest.mark.parametrize("error", [ValueError("a secret text"), AttributeError("_client")])
    def test_one_that_cannot_be_made_is_a_failed_call_and_is_tried_again(
        self, error: Exception
    ) -> None:
        errors = [error]

        def make() -> Client:
            if errors:
                raise errors.pop()
            return Client()

        client = LazyClient(make)
        with pytest.raises(CallFailed, match=rf"^{type(error).__name__}$") as failed:
            client.describe()
        assert failed.value.__suppress_context__
        assert client.describe() == {}

    def test_what_the_client_lacks_it_lacks(self) -> None:
        client = LazyClient(Client)
        with pytest.raises(AttributeError, match="nonsense"):
            client.nonsense()
        with pytest.raises(AttributeError, match="_private"):
            client._private()
        assert isinstance(copy.copy(client), LazyClient)


@pytest.mark.parametrize("module", ["settings", "handler"])
@pytest.mark.parametrize("room", ["validator", "bridge", "registration", "rotation"])
def test_a_cold_start_does_not_import_boto3(room: str, module: str) -> None:
    program = (
        f"import sys, openreplay_cw_stack.runtime.{room}.{module}\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True)
