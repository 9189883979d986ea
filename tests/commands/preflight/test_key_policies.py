from __future__ import annotations

import json
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.key_policies import missing_actions, statements_of

LOGS = "Service:logs.eu-west-1.amazonaws.com"
USES = ("kms:Decrypt", "kms:GenerateDataKey")


def statement(action: Any, effect: str = "Allow", **members: Any) -> dict[str, Any]:
    principal = {"Service": "logs.eu-west-1.amazonaws.com"}
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **members}


@pytest.mark.parametrize(
    ("statements", "missing"),
    [
        ([], list(USES)),
        ([statement("kms:*")], []),
        ([statement("*")], []),
        ([statement(["KMS:decrypt", "kms:GenerateDataKey*"])], []),
        ([statement("kms:Decrypt"), statement("kms:Gen*")], []),
        ([statement("kms:Encrypt*")], list(USES)),
        ([statement("kms:*", Condition={"ArnLike": {}})], []),
        ([statement("kms:*", Principal={"AWS": "*"})], []),
        ([statement("kms:*", Principal="*")], []),
        ([statement("kms:*", Principal={"AWS": ["arn:aws:iam::1:root"]})], list(USES)),
        ([statement("kms:*", Principal={"Service": ["sns.amazonaws.com"]})], list(USES)),
        ([statement("kms:*", Principal={"Service": ["x", "logs.eu-west-1.amazonaws.com"]})], []),
        ([statement("kms:*"), statement("kms:Decrypt", "Deny")], ["kms:Decrypt"]),
        ([statement("kms:*"), statement("kms:Decrypt", "Deny", Condition={"x": {}})], []),
        ([statement(None, NotAction="kms:ScheduleKeyDeletion")], []),
        ([statement(None, NotAction="kms:*")], list(USES)),
        ([{"Effect": "Allow", "Action": "kms:*"}], list(USES)),
    ],
)
def test_missing_actions(statements: list[dict[str, Any]], missing: list[str]) -> None:
    assert missing_actions(statements, [LOGS], USES) == missing


def test_the_statements_of_a_document() -> None:
    one = statement("kms:*")
    assert statements_of(json.dumps({"Statement": one})) == [one]
    assert statements_of(json.dumps({"Statement": [one, "x"]})) == [one]
    assert statements_of("{}") == []
    for text in ("", "[]", "7"):
        with pytest.raises(ValueError):  # noqa: PT011
            statements_of(text)
