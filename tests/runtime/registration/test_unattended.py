"""Registration without a person, against the stand-in of OpenReplay's API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult

import pytest

from openreplay_cw_stack.contract.limits import REGISTRATION_TIMEOUT_SECONDS
from openreplay_cw_stack.openreplay.bridge_probe import AddressRefused, BridgeForm
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration import handler, unattended
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
    """The key's secret with its tags, and login secrets that all hold one member's."""

    key: Mapping[str, str] = field(
        default_factory=lambda: {"api_key_id": "openreplay", "api_key": API_KEY}
    )
    login: Mapping[str, str] = field(default_factory=lambda: {"email": EMAIL, "password": PASSWORD})
    version: str = "version-1"
    tags: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    login_failure: str | None = None
    logins_read: list[str] = field(default_factory=list)

    def current(self, arn: str) -> CurrentKey:
        assert arn == "arn:key"
        if self.failure:
            raise CallFailed(self.failure)
        return CurrentKey(self.version, self.key, dict(self.tags))

    def document(self, arn: str) -> Mapping[str, str]:
        if arn == "arn:key":
            return self.key
        self.logins_read.append(arn)
        if self.login_failure:
            raise CallFailed(self.login_failure)
        return self.login

    def tag(self, arn: str, key: str, value: str) -> None:
        assert arn == "arn:key"
        self.tags[key] = value

    def untag(self, arn: str, key: str) -> None:
        assert arn == "arn:key"
        self.tags.pop(key, None)


@dataclass
class Unattended:
    """A registration whose waits move the server's clock."""

    server: OpenReplayServer
    secrets: Secrets = field(default_factory=Secrets)
    printed: list[str] = field(default_factory=list)

    def run_all(
        self, task: Task, left: Mapping[str, tuple[int, ...]] | None = None, **changes: Any
    ) -> dict[str, Outcome]:
        settings: dict[str, Any] = {
            "deployment": "Shop",
            "url": self.server.url,
            "projects": {"arn:login": (7,)},
            "replaced": frozenset(),
            "insecure": True,
            "key_secret_arn": "arn:key",
            "bridge_url": BRIDGE,
            **changes,
        }
        registration = Registration(
            Settings(**settings),
            self.secrets,
            FunctionLog("Shop", emit=self.printed.append),
            sleep=self.server.skip,
            clock=self.server.now,
        )
        outcomes = registration.run(task, left)
        return {name.rpartition("/")[2]: outcome for name, outcome in outcomes.items()}

    def run(self, task: Task, **changes: Any) -> Outcome:
        """Do a task for project 7."""
        left = {"arn:login": (7,)} if task is Task.REMOVE else None
        return self.run_all(task, left, **changes)["7"]

    @property
    def said(self) -> list[str]:
        documents = map(json.loads, self.printed)
        return [f"{one['level']} {one['message']}" for one in documents]

    @property
    def row(self) -> dict[str, str]:
        row: dict[str, str]
        (row,) = self.server.rows.values()
        return row

    @property
    def logins(self) -> int:
        return self.server.asked.count("POST /api/login")


@pytest.fixture
def asked_bridge(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Questions to the bridge; an exception in it is what the next one meets."""
    asked: list[Any] = []

    def ask(bridge: SplitResult, form: BridgeForm, *, sleep: Any) -> None:
        if asked and isinstance(asked[-1], Exception):
            raise asked[-1]
        asked.append(form)

    monkeypatch.setattr(unattended, "probe_bridge", ask)
    return asked


@pytest.fixture(params=[21, 27])
def run(request: pytest.FixtureRequest, asked_bridge: list[Any]) -> Iterator[Unattended]:
    with serving(OpenReplayServer(version=request.param)) as server:
        yield Unattended(server)


def test_the_bridge_is_registered_and_noted(run: Unattended) -> None:
    assert run.run(Task.REGISTER) is Outcome.NOTIFIED
    assert run.row == {"url": BRIDGE, "api_key_id": "openreplay", "api_key": API_KEY}
    ((tag, version),) = run.secrets.tags.items()
    assert tag.startswith("openreplay-cw-stack:notified:127.0.0.1")
    assert version == "version-1"


def test_an_hour_without_a_change_costs_no_login(run: Unattended) -> None:
    run.run(Task.REGISTER)
    asked = len(run.server.asked)
    assert run.run(Task.LOOK) is Outcome.UNCHANGED
    assert len(run.server.asked) == asked
    assert run.secrets.logins_read == ["arn:login"]


def test_a_new_key_is_told(run: Unattended) -> None:
    run.run(Task.REGISTER)
    run.secrets.key = {"api_key_id": "openreplay", "api_key": "the next"}
    run.secrets.version = "version-2"
    assert run.run(Task.LOOK) is Outcome.NOTIFIED
    assert run.row["api_key"] == "the next"
    assert list(run.secrets.tags.values()) == ["version-2"]


def test_it_is_removed(run: Unattended) -> None:
    run.run(Task.REGISTER)
    assert run.run(Task.REMOVE) is Outcome.REMOVED
    assert run.server.rows == {}
    # Nothing says of a project that left that it has a former key.
    assert run.secrets.tags == {}
    assert run.run(Task.REMOVE) is Outcome.REMOVED


def test_a_bridge_that_answers_openreplay_alone(run: Unattended, asked_bridge: list[Any]) -> None:
    asked_bridge.append(AddressRefused("not this address"))
    assert run.run(Task.REGISTER) is Outcome.NOTIFIED
    assert "allowed addresses exclude" in run.said[0]


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
        ("sso", "requires a single sign-on"),
        ("nonsense", "check the address"),
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
        ({"login": {"email": EMAIL, "password": "wrong"}}, "rejects this email"),
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
    """A deployment and a rotation can run the function twice at the same time."""
    run.server.other_logins = 3
    assert run.run(task) in (Outcome.NOTIFIED, Outcome.REMOVED)
    assert run.logins == 4
    run.server.other_logins = 100
    assert run.run(task) is Outcome.FAILED
    assert "each login ends the member's other logins" in run.said[-1]
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


class TestManyProjects:
    MANY: ClassVar = {"arn:login": tuple(range(1, 26))}

    def test_one_login_is_enough(self, run: Unattended) -> None:
        outcomes = run.run_all(Task.REGISTER, projects=self.MANY)
        assert outcomes == {str(number): Outcome.NOTIFIED for number in range(1, 26)}
        assert len(run.server.rows) == len(run.secrets.tags) == 25
        assert run.logins == len(run.secrets.logins_read) == 1
        # The limiter was met, and waited for.
        assert 429 in run.server.answered

    def test_the_bridge_is_asked_once(self, run: Unattended, asked_bridge: list[Any]) -> None:
        run.run_all(Task.REGISTER, projects=self.MANY)
        assert len(asked_bridge) == 1

    def test_one_login_for_each_secret(self, run: Unattended) -> None:
        run.run_all(Task.REGISTER, projects={"arn:login": (1, 2), "arn:other": (3, 4)})
        assert run.secrets.logins_read == ["arn:login", "arn:other"]
        assert len(run.server.rows) == 4

    def test_one_that_fails_does_not_stop_the_others(self, run: Unattended) -> None:
        run.server.projects = frozenset({1, 3})
        projects = {"arn:login": (1, 2, 3)}
        outcomes = run.run_all(Task.REGISTER, projects=projects)
        assert outcomes == {"1": Outcome.NOTIFIED, "2": Outcome.FAILED, "3": Outcome.NOTIFIED}
        assert [one.rpartition("/")[2] for one in run.secrets.tags] == ["1", "3"]
        # The next hour tries that one alone.
        run.server.projects = frozenset({1, 2, 3})
        run.server.asked.clear()
        outcomes = run.run_all(Task.LOOK, projects=projects)
        assert outcomes == {"1": Outcome.UNCHANGED, "2": Outcome.NOTIFIED, "3": Outcome.UNCHANGED}
        assert not any("/1/" in one or "/3/" in one for one in run.server.asked)

    def test_a_refused_login_is_tried_once_for_all_of_them(self, run: Unattended) -> None:
        run.secrets.login = {"email": EMAIL, "password": "wrong"}
        outcomes = run.run_all(Task.REGISTER, projects=self.MANY)
        assert set(outcomes.values()) == {Outcome.FAILED}
        assert run.logins == 1
        assert sum("rejects this email" in one for one in run.said) == 25

    def test_a_limiter_that_never_relents_is_asked_once_for_all_of_them(
        self, run: Unattended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run.server.limiter, "allows", lambda: False)
        outcomes = run.run_all(Task.REGISTER, projects=self.MANY)
        assert set(outcomes.values()) == {Outcome.FAILED}
        assert run.server.answered.count(429) == 5
        assert "too many requests (429)" in run.said[-1]

    def test_what_does_not_fit_into_the_time_is_left_for_the_next_hour(
        self, run: Unattended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A slow OpenReplay: the function ends by itself, before AWS Lambda ends it."""
        answer = run.server.answer

        def slowly(*request: Any) -> Any:
            run.server.skip(5)
            return answer(*request)

        monkeypatch.setattr(run.server, "answer", slowly)
        began = run.server.now()
        outcomes = run.run_all(Task.REGISTER, projects=self.MANY)
        assert run.server.now() - began < REGISTRATION_TIMEOUT_SECONDS
        done = [name for name, outcome in outcomes.items() if outcome is Outcome.NOTIFIED]
        assert 3 < len(done) < 25
        assert len(run.secrets.tags) == len(done)
        assert "there was no time left" in run.said[-1]
        monkeypatch.undo()
        monkeypatch.setattr(unattended, "probe_bridge", lambda *_, **__: None)
        outcomes = run.run_all(Task.LOOK, projects=self.MANY)
        assert list(outcomes.values()).count(Outcome.NOTIFIED) == 25 - len(done)

    def test_those_that_left_are_removed_as_others_are_registered(self, run: Unattended) -> None:
        run.run_all(Task.REGISTER, projects={"arn:login": (1, 2)})
        outcomes = run.run_all(Task.REGISTER, {"arn:login": (2,)}, projects={"arn:login": (1, 3)})
        assert outcomes == {"1": Outcome.NOTIFIED, "3": Outcome.NOTIFIED, "2": Outcome.REMOVED}
        assert [path for path in run.server.rows if "2" in path.replace("v1", "")] == []
        assert [one.rpartition("/")[2] for one in run.secrets.tags] == ["1", "3"]


class TestSomeoneElsesIntegration:
    THEIRS: ClassVar = {"url": "https://elastic.shop.example/", "api_key": "theirs"}

    @pytest.fixture
    def row(self, run: Unattended) -> str:
        run.run(Task.REGISTER)
        (path,) = run.server.rows
        run.server.rows[path] = dict(self.THEIRS)
        run.secrets.tags.clear()
        return str(path)

    @pytest.mark.parametrize("task", [Task.LOOK, Task.REGISTER])
    def test_it_is_not_replaced(self, run: Unattended, row: str, task: Task) -> None:
        assert run.run(task) is Outcome.FAILED
        assert run.server.rows == {row: self.THEIRS}
        assert run.secrets.tags == {}
        assert "points to elastic.shop.example, which is not" in run.said[-1]
        assert "replace_integration=True of its OpenReplayProject" in run.said[-1]

    def test_it_is_on_request(self, run: Unattended, row: str) -> None:
        both: dict[str, Any] = {"projects": {"arn:login": (7, 8)}, "replaced": frozenset({7})}
        assert set(run.run_all(Task.REGISTER, **both).values()) == {Outcome.NOTIFIED}
        assert run.server.rows[row]["api_key"] == API_KEY

    def test_another_projects_request_is_not_its_own(self, run: Unattended, row: str) -> None:
        both: dict[str, Any] = {"projects": {"arn:login": (7, 8)}, "replaced": frozenset({8})}
        outcomes = run.run_all(Task.REGISTER, **both)
        assert outcomes == {"7": Outcome.FAILED, "8": Outcome.NOTIFIED}
        assert run.server.rows[row] == self.THEIRS

    def test_it_is_not_removed(self, run: Unattended, row: str) -> None:
        """Also where ours was replaced by theirs meanwhile, on request or not."""
        replaced = {"replaced": frozenset({7})}
        assert run.run(Task.REMOVE, **replaced) is Outcome.NOT_OURS
        assert run.server.rows == {row: self.THEIRS}


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
    assert list(settings.projects.values()) == [(1,)]
    assert settings.replaced == frozenset()
    assert not settings.insecure
    assert settings.bridge_url


def test_each_failed_project_is_counted(
    run: Unattended, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the entry point, with the event that the deployment sends."""
    run.server.projects = frozenset({1, 3})
    settings = Settings(
        "Shop", run.server.url, {"arn:login": (1, 2)}, frozenset(), True, "arn:key", BRIDGE
    )
    registration = Registration(
        settings, run.secrets, FunctionLog("Shop"), sleep=run.server.skip, clock=run.server.now
    )
    monkeypatch.setattr(handler, "_registration", lambda: registration)
    outcomes = handler.handler({"task": "register", "left": {"arn:login": [3]}}, None)
    assert sorted(outcomes.values()) == ["failed", "notified", "removed"]
    documents = map(json.loads, capsys.readouterr().out.splitlines())
    (counted,) = [one for one in documents if "_aws" in one]
    assert counted["FailedRegistrations"] == 1
    assert counted["Project"].endswith("/2")
    assert handler.handler({}, None)
