from __future__ import annotations

from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from tests.commands.support import NOW, TABLE_ARN, account, days_ago


def test_one_client_of_a_service_and_one_in_the_region_of_an_arn() -> None:
    made: list[tuple[str, Any]] = []

    def make_client(service: str, **settings: Any) -> object:
        made.append((service, settings))
        return object()

    of = Account(NOW, make_client=make_client)
    assert of.client("logs") is of.client("logs")
    of.regional_client("dynamodb", TABLE_ARN)
    assert made == [("logs", {}), ("dynamodb", {"region_name": "eu-west-1"})]


def test_the_time_span() -> None:
    assert (Account(NOW).span, Account(NOW, 90).span) == ("the last hour", "the last 90 minutes")
    assert Account(NOW, 90).start_ms == int(1000 * NOW) - 90 * 60_000
    assert Account(NOW).days_since(days_ago(2.5)) == 2
    assert Account(NOW).days_since(days_ago(-1)) == 0


def test_a_secret_does_not_show_its_texts() -> None:
    answer = {"SecretString": '{"key": "the-key", "number": 7}', "CreatedDate": days_ago(3)}
    secret = read_secret(account(secretsmanager={"get_secret_value": answer}), "arn")
    assert (secret.texts, secret.created) == ({"key": "the-key"}, days_ago(3))
    assert "the-key" not in repr(secret)
