"""Registration without a person, against the stand-in of OpenReplay's API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult

import pytest

from openreplay_cw_stack.openreplay.bridge_probe import AddressRefused, BridgeForm
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration import deployment, unattended
from openreplay_cw_stack.runtime.registration.settings import Settings
from openreplay_cw_stack.runtime.registration.unattended import (
    CurrentKey,
    Outcome,
    Registration,
    Task,
)
from tests.infra.conftest import EVERY_FUNCTION, a_stack, environment_of, template_of
from tests.openreplay.openreplay_server import EMAIL, PASSWORD, OpenReplayServer, serving

BRIDGE = "https://bridge.example/"
API_KEY = "a-secret-api-key"


@dataclass
class Secrets:
    """Two secrets; what was noted on the key's."""

    key: Mapping[str, str] = field(
        default_factory=lambda: {"api_key_id": "openreplay", "api_key": API_KEY}
    )
    login: Mapping[str, str] = field(default_factory=lambda: {"email": EMAIL, "password": PASSWORD})
    version: str = "version-1"
    tags: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    login_failure: str | None = None
    reads_of_login: int = 0

    def current(self, arn: str, tag: str) -> CurrentKey:
        assert arn == "arn:key"
        if self.failure:
            raise CallFailed(self.failure)
        return CurrentKey(self.version, self.key, self.tags.get(tag))

    def document(self, arn: str) -> Mapping[str, str]:
        assert arn == "arn:login"
        self.reads_of_login += 1
        if self.login_failure:
            raise CallFailed(self.login_failure)
        return self.login

    def tag(self, arn: str, key: str, value: str) -> None:
        self.tags[key] = value


@dataclass
class Unattended:
    server: OpenReplayServer
    secrets: Secrets = field(default_factory=Secrets)
    printed: list[str] = field(default_factory=list)
    now: float = 1_795_000_000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, task: Task, **changes: Any) -> Outcome:
        settings: dict[str, Any] = {
            "deployment": "Shop",
            "url": self.server.url,
            "project_id": 7,
            "insecure": True,
            "login_secret_arn": "arn:login",
            "key_secret_arn": "arn:key",
            "bridge_url": BRIDGE,
            **changes,
        }
        registration = Registration(
            Settings(**settings),
            self.secrets,
            FunctionLog("Shop", emit=self.printed.append),
            sleep=self.sleep,
        )
        return registration.run(task)

    @property
    def said(self) -> list[str]:
        documents = map(json.loads, self.printed)
        return [f"{one['level']} {one['message']}" for one in documents]

    @property
    def row(self) -> dict[str, str]:
        (row,) = self.server.rows.values()
        return row


@pytest.fixture
def asked_bridge(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Questions to the bridge; an exception in it is what the next one meets."""
    asked: list[Any] = []

    def ask(bridge: SplitResult, form: BridgeForm) -> None:
        if asked and isinstance(asked[-1], Exception):
            raise asked[-1]
        asked.append(form)

    monkeypatch.setattr(unattended, "ask_bridge", ask)
    return asked


@pytest.fixture(params=[21, 27])
def run(request: pytest.FixtureRequest, asked_bridge: list[Any]) -> Iterator[Unattended]:
    with serving(OpenReplayServer(version=request.param)) as server:
        yield Unattended(server)


def test_the_bridge_is_registered_and_noted(run: Unattended) -> None:
    assert run.run(Task.REGISTER) is Outcome.TOLD
    assert run.row == {"url": BRIDGE, "api_key_id": "openreplay", "api_key": API_KEY}
    ((tag, version),) = run.secrets.tags.items()
    assert tag.startswith("openreplay-cw-stack:told:127.0.0.1")
    assert version == "version-1"


def test_an_hour_without_a_change_costs_no_login(run: Unattended) -> None:
    run.run(Task.REGISTER)
    asked = len(run.server.asked)
    assert run.run(Task.LOOK) is Outcome.UNCHANGED
    assert len(run.server.asked) == asked
    assert run.secrets.reads_of_login == 1


def test_a_new_key_is_told(run: Unattended) -> None:
    run.run(Task.REGISTER)
    run.secrets.key = {"api_key_id": "openreplay", "api_key": "the next"}
    run.secrets.version = "version-2"
    assert run.run(Task.LOOK) is Outcome.TOLD
    assert run.row["api_key"] == "the next"
    assert list(run.secrets.tags.values()) == ["version-2"]


def test_it_is_removed(run: Unattended) -> None:
    run.run(Task.REGISTER)
    assert run.run(Task.REMOVE) is Outcome.REMOVED
    assert run.server.rows == {}


def test_a_bridge_that_answers_openreplay_alone(run: Unattended, asked_bridge: list[Any]) -> None:
    asked_bridge.append(AddressRefused("not this address"))
    assert run.run(Task.REGISTER) is Outcome.TOLD
    assert "other addresses" in run.said[0]


def test_a_bridge_that_does_not_answer_is_not_registered(
    run: Unattended, asked_bridge: list[Any]
) -> None:
    asked_bridge.append(RegistrationFailed("the bridge did not answer"))
    assert run.run(Task.REGISTER) is Outcome.FAILED
    assert run.server.asked == []
    assert run.secrets.tags == {}


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("captcha", "asks for a captcha"),
        ("sso", "wants a single sign-on"),
        ("nonsense", "is it OpenReplay?"),
        ("redirect", "redirect, which is not followed"),
    ],
)
def test_logins_that_are_refused_say_why(run: Unattended, login: str, words: str) -> None:
    run.server.login = login
    run.server.redirect_to = "http://127.0.0.1:9/elsewhere"
    assert run.run(Task.REGISTER) is Outcome.FAILED
    assert words in run.said[-1]
    assert run.secrets.tags == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"login": {}}, "the login secret holds no login"),
        ({"login": {"email": EMAIL, "password": "wrong"}}, "does not know this email"),
        ({"login_failure": "AccessDeniedException"}, "cannot be read: AccessDeniedException"),
        ({"key": {}}, "there is no key yet"),
        ({"failure": "AccessDeniedException"}, "AWS refused a call: AccessDeniedException"),
    ],
)
def test_what_is_missing(run: Unattended, changes: dict[str, Any], words: str) -> None:
    for name, value in changes.items():
        setattr(run.secrets, name, value)
    assert run.run(Task.REGISTER) is Outcome.FAILED
    assert words in run.said[-1]


@pytest.mark.parametrize("task", [Task.REGISTER, Task.REMOVE])
def test_a_login_that_another_one_ended_is_made_again(run: Unattended, task: Task) -> None:
    """Two projects with one member, for one, whose functions run at the same time."""
    run.server.other_logins = 3
    began = run.now
    assert run.run(task) in (Outcome.TOLD, Outcome.REMOVED)
    assert run.now > began
    run.server.other_logins = 100
    assert run.run(task) is Outcome.FAILED
    assert "each login ends that member's other ones" in run.said[-1]
    # A login that is refused is none that ended: a member is not to be locked out by tries.
    run.server.login = "captcha"
    asked = len(run.server.asked)
    assert run.run(task) is Outcome.FAILED
    assert len(run.server.asked) == asked + 1


def test_a_dead_server(run: Unattended) -> None:
    assert run.run(Task.REGISTER, url="http://127.0.0.1:9") is Outcome.FAILED
    assert "did not answer" in run.said[-1]
    assert run.run(Task.REMOVE, url="http://127.0.0.1:9") is Outcome.FAILED


def test_an_openreplay_that_forgets_is_not_noted_as_told(run: Unattended) -> None:
    run.server.forgets = True
    assert run.run(Task.REGISTER) is Outcome.FAILED
    assert "has not stored" in run.said[-1]
    assert run.secrets.tags == {}


def test_nothing_secret_is_said(run: Unattended) -> None:
    run.run(Task.REGISTER)
    run.server.login = "captcha"
    run.run(Task.REGISTER)
    run.run(Task.REGISTER, url="http://127.0.0.1:9")
    said = "\n".join(run.said)
    for secret in (API_KEY, EMAIL, PASSWORD, "jwt-"):
        assert secret not in said


def test_everything_that_the_construct_writes_is_read() -> None:
    template = template_of(a_stack(**EVERY_FUNCTION))
    settings = Settings.from_environment(environment_of(template, "Registrationsopenreplayexample"))
    assert settings.url == "https://openreplay.example"
    assert settings.project_id == 1
    assert not settings.insecure
    assert settings.bridge_url


class TestDeployments:
    EVENT = DeploymentEvent(False, "arn:stack", {"Project": "host/7", "FunctionName": "tell"})

    def test_each_event_runs_the_registration(self) -> None:
        ran: list[tuple[str, str]] = []
        run = lambda name, task: ran.append((name, task))  # noqa: E731
        assert deployment.follow(self.EVENT, run) == "host/7"
        gone = DeploymentEvent(True, "arn:stack", self.EVENT.properties)
        assert deployment.follow(gone, run) == "host/7"
        assert ran == [("tell", "register"), ("tell", "remove")]

    def test_a_deployment_goes_on_whatever_happens(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def run(name: str, task: str) -> None:
            raise CallFailed("ResourceNotFoundException")

        assert deployment.follow(self.EVENT, run) == "host/7"
        assert "did not end: ResourceNotFoundException" in capsys.readouterr().out
