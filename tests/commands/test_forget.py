from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.forget import Eraser, NotForgotten
from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE
from openreplay_cw_stack.contract.session_table import TOMBSTONE, pack_items
from openreplay_cw_stack.runtime.bridge.session_lines import Page, read_session
from tests.commands.session.support import RETENTION_SECONDS
from tests.commands.support import TABLE_ARN, deploy, refusal
from tests.runtime.bridge.support import NOW_MS, SESSION, a_line
from tests.tagging.tokens import a_token

DAY = 86_400
Key = tuple[str, str]


@dataclass
class Table:
    """DynamoDB with one table, page by page; some writes are throttled."""

    items: dict[Key, dict[str, Any]] = field(default_factory=dict)
    page_size: int = 40
    calls: list[str] = field(default_factory=list)
    unprocessed: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    before_write: Callable[[], None] = lambda: None

    def add(self, session: int, *names: str, **attributes: Any) -> None:
        for name in names:
            key = {"session": {"S": str(session)}, "item": {"S": name}}
            self.items[str(session), name] = {**key, **attributes}

    def query(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append("query")
        assert arguments["TableName"] == TABLE_ARN
        assert arguments["ConsistentRead"] is True
        assert arguments["ProjectionExpression"] == "#session, #item"
        session = arguments["ExpressionAttributeValues"][":session"]["S"]
        names = sorted(name for owner, name in self.items if owner == session)
        after = arguments.get("ExclusiveStartKey", {}).get("item", {}).get("S", "")
        page = [name for name in names if name > after][: self.page_size]
        found: dict[str, Any] = {
            "Items": [{"session": {"S": session}, "item": {"S": name}} for name in page]
        }
        if page and page[-1] != names[-1]:
            found["LastEvaluatedKey"] = found["Items"][-1]
        return found

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:  # noqa: N803
        self.before_write()
        ((arn, requests),) = RequestItems.items()
        assert arn == TABLE_ARN
        assert 0 < len(requests) <= ITEMS_PER_BATCH_WRITE
        if self.failures:
            raise self.failures.pop(0)
        refused = self.unprocessed.pop(0) if self.unprocessed else 0
        for request in requests[refused:]:
            ((kind, content),) = request.items()
            item = content["Item"] if kind == "PutRequest" else content["Key"]
            key = item["session"]["S"], item["item"]["S"]
            self.calls.append(f"{'put' if kind == 'PutRequest' else 'delete'} {key[1]}")
            if kind == "PutRequest":
                self.items[key] = item
            else:
                del self.items[key]
        return {"UnprocessedItems": {"Sessions": requests[:refused]} if refused else {}}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table()
    deploy(monkeypatch, dynamodb=table)
    return table


def eraser(table: Table, pauses: list[float] | None = None) -> Eraser:
    sleep = (pauses if pauses is not None else []).append
    return Eraser(table, TABLE_ARN, 58 * DAY, clock=lambda: NOW_MS / 1000, sleep=sleep)


def names_of(count: int) -> list[str]:
    return [f"{number:013}#digest" for number in range(count)]


def forgotten(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    status = main(["forget", "--stack", "Shop", *options])
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    return status, printed.out, printed.err


def test_everything_goes_but_the_tombstone(table: Table) -> None:
    table.add(SESSION, *names_of(130))
    table.add(SESSION + 1, *names_of(3))
    assert eraser(table).forget(SESSION) == 130
    assert [name for owner, name in table.items if owner == str(SESSION)] == [TOMBSTONE]
    assert len(table.items) == 4
    assert table.calls[0] == f"put {TOMBSTONE}", "before anything is read"
    # The last read finds nothing.
    assert table.calls[-1] == "query"


def test_the_tombstone_outlives_what_is_on_its_way(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW_MS / 1000)
    assert forgotten(capsys, "--yes", str(SESSION))[0] == 0
    item = table.items[str(SESSION), TOMBSTONE]
    expires = NOW_MS // 1000 + RETENTION_SECONDS + 28 * DAY
    assert item["expires"] == {"N": str(expires)}
    assert item["forgotten"] == {"N": str(NOW_MS)}


def test_again_is_the_same(table: Table) -> None:
    table.add(SESSION, *names_of(2))
    assert eraser(table).forget(SESSION) == 2
    assert eraser(table).forget(SESSION) == 0
    assert list(table.items) == [(str(SESSION), TOMBSTONE)]


def test_late_arrivals_are_deleted_or_hidden(table: Table) -> None:
    """A line that arrives while the first ones are deleted, and one that arrives afterwards."""
    table.add(SESSION, *names_of(3))
    # With the second write, which deletes the first three.
    arrivals = iter([[], ["9" * 13 + "#late"]])
    table.before_write = lambda: table.add(SESSION, *next(arrivals, []))
    assert eraser(table).forget(SESSION) == 4
    assert list(table.items) == [(str(SESSION), TOMBSTONE)]

    class Stored:
        def page(self, session_id: int, *, start: Any = None) -> Page:
            return Page([table.items[key] for key in sorted(table.items)])

        def newest(self, session_id: int, limit: int) -> Page:
            return Page([])

    for item in pack_items([a_line()]):
        attributes = dict(item.attributes(arrived_ms=NOW_MS, retention_seconds=30 * DAY))
        table.items[str(SESSION), item.key] = attributes
    later_ms = NOW_MS + 27 * DAY * 1000
    reading = read_session(Stored(), SESSION, wanted=9, now_ms=later_ms, time_left=lambda: 9.0)
    assert reading.forgotten
    assert reading.lines == []


def test_unprocessed_items_are_written_again_with_growing_pauses(table: Table) -> None:
    table.add(SESSION, *names_of(30))
    table.unprocessed = [1, 0, 20, 20, 3]
    pauses: list[float] = []
    assert eraser(table, pauses).forget(SESSION) == 30
    assert list(table.items) == [(str(SESSION), TOMBSTONE)]
    assert pauses == [0.1, 0.1, 0.2, 0.4]


def test_a_throttled_call_is_made_again(table: Table) -> None:
    throttled = refusal("BatchWriteItem", "ProvisionedThroughputExceededException")
    table.failures = [throttled] * 3
    table.add(SESSION, "1#x")
    assert eraser(table).forget(SESSION) == 1


def test_what_is_throttled_for_too_long_stops_no_other_session(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(SESSION, "1#x")
    table.add(7, "1#x")
    table.unprocessed = [0, *[1] * 12]
    with pytest.raises(NotForgotten, match="DynamoDB throttled 1 write for too long"):
        eraser(table).forget(SESSION)
    assert (str(SESSION), "1#x") in table.items

    def forget(self: Eraser, session: int) -> int:
        if session == SESSION:
            raise NotForgotten("DynamoDB throttled")
        return 1

    monkeypatch.setattr(Eraser, "forget", forget)
    status, out, _ = forgotten(capsys, "--yes", str(SESSION), "7")
    assert status == 1
    assert f"{SESSION}: DynamoDB throttled; run the command again\n7: 1 item deleted" in out


def test_items_that_keep_arriving(table: Table) -> None:
    numbers = iter(range(10**6))
    table.before_write = lambda: table.add(SESSION, f"{next(numbers):013}#x")
    with pytest.raises(NotForgotten, match="items are still arriving"):
        eraser(table).forget(SESSION)


@pytest.mark.parametrize("operation", ["query", "batch_write_item"])
def test_a_refusal_is_said(table: Table, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    def refuse(**arguments: Any) -> Any:
        raise refusal(operation, "AccessDeniedException")

    monkeypatch.setattr(table, operation, refuse)
    with pytest.raises(CommandFailed, match=r"the session table: .*AccessDenied"):
        eraser(table).forget(SESSION)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "status", "said"),
    [
        (Terminal("y\n"), 0, "1 item deleted, none left"),
        (Terminal("\n"), 2, "not confirmed: nothing was changed"),
        (Terminal("no\n"), 2, "not confirmed"),
        (io.StringIO("y\n"), 2, "there is no terminal to ask for confirmation: add --yes"),
    ],
)
def test_it_asks_first(
    table: Table,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    stdin: io.StringIO,
    status: int,
    said: str,
) -> None:
    table.add(SESSION, "1#x")
    monkeypatch.setattr(sys, "stdin", stdin)
    found, out, err = forgotten(capsys, str(SESSION))
    assert found == status
    assert said in out + err
    assert (list(table.items) == [(str(SESSION), "1#x")]) == (status == 2)


def test_what_is_printed(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.add(SESSION, "1#x", "2#x")
    status, out, err = forgotten(capsys, "--yes", str(SESSION), "7", str(SESSION))
    assert (status, err) == (0, "")
    assert out.split("\n")[:3] == [
        f"{SESSION}: 2 items deleted, none left",
        "7: 0 items deleted, none left",
        "This command does not delete:",
    ]
    for place in (
        "tracked log groups",
        "dead-letter queue",
        "58 days",
        "OpenReplay already received",
    ):
        assert place in out


def test_a_token_is_not_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["forget", "--stack", "Shop", "--yes", a_token()])
    assert ended.value.code == 2
    assert a_token() not in capsys.readouterr().err


def test_the_outcome_as_json(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.add(SESSION, "1#x", "2#x")
    status, out, _ = forgotten(capsys, "--yes", "--json", str(SESSION), "7")
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"session": str(SESSION), "deleted": 2, "left": None},
        {"session": "7", "deleted": 0, "left": None},
    ]
