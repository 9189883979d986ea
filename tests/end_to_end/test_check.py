"""The check of a deployment that is well, and of one that is broken in one way after another."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.openreplay import http_calls
from openreplay_cw_stack.tagging import token_tag
from tests.docs.pages import DOCS, section
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually
from tests.openreplay import openreplay_server
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

PAGE = DOCS / "operations.md"
TOKEN = a_token(token_secret=TOKEN_SECRET.encode(), expires_ms=2**50)
GOOD = f"{token_tag(TOKEN)} ERROR card declined"
MISSPELLED = f"[openReplaySessionToken: {TOKEN}] timeout"
GROUPS = ("/app/checkout", "/app/search", "/aws/lambda/pay")


class Shop(Deployment):
    """Somebody's own stack."""

    stack = "Shop"
    app = str(Path(__file__).with_name("host_app.py"))

    @property
    def staff_log_group(self) -> str:
        groups = self.aws.client("logs").describe_log_groups()["logGroups"]
        (name,) = [one["logGroupName"] for one in groups if "StaffLogs" in one["logGroupName"]]
        return str(name)


@dataclass
class Report:
    """What the command printed."""

    status: int
    text: str
    steps: list[dict[str, str]]

    def named(self, name: str) -> list[dict[str, str]]:
        return [step for step in self.steps if step["name"] == name]

    def failed(self) -> list[dict[str, str]]:
        return [step for step in self.steps if step["status"] == "fail"]


@pytest.fixture(autouse=True)
def here(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator as AWS, which answers at the bridge's host name by its Host header."""
    gateway = urlsplit(deployment.aws.endpoint_url)
    connect = http_calls._connection

    def to_the_emulator(server: SplitResult, timeout: float) -> http.client.HTTPConnection:
        if server.scheme == "http":
            return connect(server, timeout)
        connection: Any = http.client.HTTPConnection(str(server.hostname), timeout=timeout)
        connection._create_connection = lambda *_: socket.create_connection(
            (str(gateway.hostname), gateway.port or 80)
        )
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(http_calls, "_connection", to_the_emulator)
    for name, value in deployment.aws.child_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def openreplay(monkeypatch: pytest.MonkeyPatch) -> Iterator[openreplay_server.OpenReplayServer]:
    with openreplay_server.serving(openreplay_server.OpenReplayServer()) as server:
        monkeypatch.setenv("OPENREPLAY_JWT", server.jwt)
        yield server


def check(deployment: Deployment, capsys: pytest.CaptureFixture[str], *options: str) -> Report:
    """Both forms of the report; no credential is in either."""
    capsys.readouterr()
    status = main(["check", "--stack", deployment.stack, *options, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == (1 if document["status"] == "fail" else 0)
    main(["check", "--stack", deployment.stack, *options])
    printed = capsys.readouterr()
    key = deployment.key()
    for secret in (TOKEN, TOKEN_SECRET, deployment.api_key()[1], key["secret_access_key"]):
        assert secret not in printed.out + printed.err + json.dumps(document)
    (found,) = document["deployments"]
    return Report(status, printed.out, found["steps"])


def linked(deployment: Deployment, number: int) -> None:
    eventually(deployment.linked_lines, lambda lines: len(lines) >= number)
    eventually(lambda: deployment.metric("Lines", Verdict="linkable"), lambda sum_: sum_ >= number)


def test_all_is_well(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    for group in GROUPS:
        deployment.put(group, GOOD, "of no visitor")
    linked(deployment, 3)
    report = check(deployment, capsys)
    assert report.status == 0
    assert {step["status"] for step in report.steps} == {"ok"}
    assert [step["detail"].split(":")[0] for step in report.named("lines")] == sorted(
        GROUPS, key=lambda group: "new" if group.startswith("/app") else ""
    )
    assert report.text.splitlines()[-1].startswith("no problem found: ")
    for line in report.text.splitlines():
        assert line == line.rstrip()


def test_it_needs_the_permissions_that_the_manual_lists(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", section(PAGE, "Permissions of check"), re.MULTILINE
    )
    actions = [
        f"{service}:{action}" for service, names in rows for action in re.findall(r"\w+", names)
    ]
    assert len(actions) == 23
    iam = deployment.aws.client("iam")
    iam.create_user(UserName="looks")
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="looks", PolicyName="look", PolicyDocument=document)
    key = iam.create_access_key(UserName="looks")["AccessKey"]
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    assert check(deployment, capsys).status == 0
    iam.delete_user_policy(UserName="looks", PolicyName="look")
    assert main(["check", "--stack", deployment.stack]) == 2
    assert "cloudformation:DescribeStacks" in capsys.readouterr().err


def test_without_its_subscription_filter(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = deployment.aws.client("logs")
    (found,) = logs.describe_subscription_filters(logGroupName=GROUPS[0])["subscriptionFilters"]
    where = {"logGroupName": GROUPS[0], "filterName": found["filterName"]}
    logs.delete_subscription_filter(**where)
    report = check(deployment, capsys)
    assert report.status == 1
    (step,) = report.failed()
    assert step["detail"] == "/app/checkout does not have the stack's subscription filter"
    follow(deployment, step["remedy"])
    assert check(deployment, capsys).status == 0
    found_again = logs.describe_subscription_filters(logGroupName=GROUPS[0])
    (again,) = found_again["subscriptionFilters"]
    assert {**again, "creationTime": 0} == {**found, "creationTime": 0}

    logs.put_subscription_filter(
        **where, filterPattern="ERROR", destinationArn=found["destinationArn"]
    )
    logs.put_subscription_filter(
        logGroupName=GROUPS[0],
        filterName="datadog",
        filterPattern="",
        destinationArn=found["destinationArn"],
    )
    (step,) = check(deployment, capsys).failed()
    assert "the filter of /app/checkout has another pattern" in step["detail"]
    follow(deployment, step["remedy"])
    report = check(deployment, capsys)
    assert report.status == 0
    assert "2 subscription filters" in report.text
    assert "others: datadog" in report.text
    logs.delete_subscription_filter(logGroupName=GROUPS[0], filterName="datadog")


def test_with_misspelled_tags(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    deployment.put(GROUPS[1], MISSPELLED, MISSPELLED, f"{MISSPELLED} \x1b[2J")
    eventually(lambda: deployment.metric("Lines", Verdict="misspelled_tag"), lambda sum_: sum_ == 3)
    report = check(deployment, capsys)
    assert report.status == 1
    (step,) = report.failed()
    assert "4 lines with a tag: 1 linkable, 3 misspelled_tag (signatures checked)" in step["detail"]
    assert step["remedy"].startswith(
        "misspelled_tag (3): Write openReplaySessionToken=<token> exactly"
    )
    assert "4 linkable" not in report.named("lines counted")[0]["detail"]
    assert report.named("lines counted")[0]["status"] == "ok"
    # More good ones than bad ones: to be looked at, and no more.
    deployment.put(GROUPS[1], *[GOOD] * 3)
    linked(deployment, 6)
    report = check(deployment, capsys)
    assert report.status == 0
    assert [step["name"] for step in report.steps if step["status"] == "warn"] == ["lines"]


def test_with_an_inactive_key(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    key_id = deployment.key()["access_key_id"]
    deployment.aws.client("iam").update_access_key(
        UserName=deployment.outputs["UserName"], AccessKeyId=key_id, Status="Inactive"
    )
    report = check(deployment, capsys)
    assert report.status == 1
    keys, key = report.failed()
    assert keys["detail"] == "the key in the secret is inactive"
    assert key["detail"].startswith("the key cannot read /app/checkout: ")
    follow(deployment, keys["remedy"])
    assert check(deployment, capsys).status == 0


def test_with_a_key_that_may_do_more(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    iam, user = deployment.aws.client("iam"), deployment.outputs["UserName"]
    statement = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="more", PolicyDocument=document)
    (step,) = check(deployment, capsys).failed()
    assert step["name"] == "service account key"
    assert step["detail"] == "the key can list log groups, which its policy does not allow"
    iam.delete_user_policy(UserName=user, PolicyName="more")


def test_what_openreplay_has_stored(
    deployment: Deployment,
    openreplay: openreplay_server.OpenReplayServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ("--openreplay", openreplay.url, "--project", "7", "--insecure")
    (step,) = check(deployment, capsys, *where).failed()
    assert step["detail"] == "project 7 of 127.0.0.1 has no Elasticsearch integration"
    command = step["remedy"].splitlines()[1]
    assert main([*shlex.split(command)[1:], "--insecure"]) == 0
    report = check(deployment, capsys, *where)
    assert report.status == 0
    (step,) = report.named("registration")
    assert step["detail"] == "project 7 of 127.0.0.1 has the bridge's URL and its key"

    (row,) = openreplay.rows.values()
    right = dict(row)
    row["url"] = "https://me:hidden@elastic.example/"
    (step,) = check(deployment, capsys, *where).failed()
    assert step["detail"] == "project 7 of 127.0.0.1 has another URL, at elastic.example"
    row.update(right, api_key="hidden")
    (step,) = check(deployment, capsys, *where).failed()
    assert step["detail"].endswith("has the bridge's URL and a key that the bridge refuses")

    # A former key: accepted still, to be replaced.
    secrets, arn = deployment.aws.client("secretsmanager"), deployment.outputs["BridgeSecretArn"]
    new = json.dumps({"api_key_id": "openreplay", "api_key": "x" * 48})
    secrets.put_secret_value(SecretId=arn, SecretString=new)
    row.update(right)
    report = check(deployment, capsys, *where)
    (step,) = report.named("registration")
    assert (step["status"], report.status) == ("warn", 0)
    assert "its previous key" in step["detail"]


def test_with_a_validator_that_lost_its_policy(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    iam = deployment.aws.client("iam")
    (role,) = [one for one in iam.list_roles()["Roles"] if "ValidatorRole" in one["RoleName"]]
    (policy,) = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=policy["PolicyArn"])
    deployment.put(GROUPS[0], GOOD)
    eventually(
        lambda: check(deployment, capsys).named("validator"),
        lambda steps: steps[0]["status"] == "fail",
    )
    report = check(deployment, capsys)
    assert report.status == 1
    first, *others = report.failed()
    assert first["name"] == "validator role"
    assert {step["name"] for step in others} >= {"validator"}
    follow(deployment, first["remedy"])
    (step,) = check(deployment, capsys).named("validator role")
    assert step["status"] == "ok"


@pytest.fixture(scope="module")
def shop(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A host's stack with two constructs and no outputs; both have lines."""
    shop = Shop(deployment.aws, tmp_path_factory.mktemp("shop"), {})
    deployment.aws.evaluate_iam(False)
    shop.printed.append(shop.cdk.deploy(shop.context, shop.folder / "outputs.json"))
    deployment.aws.evaluate_iam(True)
    shop.put("/ecs/shop", GOOD, GOOD, MISSPELLED, GOOD)
    shop.put(shop.staff_log_group, MISSPELLED)
    for group in ("/ecs/shop", shop.staff_log_group):
        eventually(
            lambda group=group: shop.metric("RejectedLines", LogGroup=group),  # type: ignore[misc]
            lambda number: number == 1,
        )
    eventually(lambda: shop.metric("LinkedLines", LogGroup="/ecs/shop"), lambda number: number == 3)
    return shop


def test_a_host_stack_with_two_constructs_and_no_outputs(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--stack", shop.stack, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    one, two = document["deployments"]
    assert one["deployment"].startswith("Shop-Replay-")
    assert two["deployment"].startswith("Shop-ReplayOfTheStaff-")
    assert {step["status"] for step in one["steps"]} == {"ok", "warn", "skip"}
    bad = [step for step in two["steps"] if step["status"] in ("warn", "fail")]
    assert [step["name"] for step in bad] == [
        "lines",
        "service account policies",
        "service account key",
    ]
    assert shop.staff_log_group in bad[0]["detail"]
    assert "CloudWatchReadOnlyAccess" in bad[1]["detail"]


def test_the_report_that_the_manual_shows(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line, but for what AWS generates."""
    text = PAGE.read_text()
    shown = re.search(r"```\n\$ openreplay-cw (check .*?)\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    assert main(shlex.split(shown.group(1))) == 0
    report = capsys.readouterr().out
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PAGE.write_text(text.replace(shown.group(2), report))
    else:
        assert same_for_everybody(report) == same_for_everybody(shown.group(2))


def same_for_everybody(report: str) -> str:
    """Without the address that AWS generates, and without what other tests have asked."""
    report = re.sub(r"(bridge requests).*?(?=\n[A-Z])", r"\1", report, flags=re.DOTALL)
    report = re.sub(r"(SessionTable\w{8})-\w+", r"\1", report)
    return re.sub(r"https://\w+\.", "https://", report)


def test_a_stack_of_another_name(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["--stack", "Nowhere"], "The region is us-east-1"),
        (["--stack", "CDKToolkit"], "has no function of openreplay-cw-stack"),
        (["--stack", deployment.stack, "--deployment", "Other"], "has no deployment Other"),
        (["--stack", deployment.stack, "--project", "7"], "or neither"),
    ):
        assert main(["check", *arguments]) == 2
        assert said in capsys.readouterr().err


def follow(deployment: Deployment, remedy: str) -> None:
    """Do what a remedy says: its command, as the AWS CLI would do it."""
    (command,) = [line for line in remedy.splitlines() if line.startswith("aws ")]
    _, service, operation, *options = shlex.split(command)
    arguments = {}
    for name, value in zip(options[::2], options[1::2], strict=True):
        first, *words = name.removeprefix("--").split("-")
        camel = first + "".join(word.title() for word in words)
        arguments[camel if service == "logs" else camel[0].upper() + camel[1:]] = value
    getattr(deployment.aws.client(service), operation.replace("-", "_"))(**arguments)
