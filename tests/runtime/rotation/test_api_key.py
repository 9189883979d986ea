"""The bridge's key, with the bridge itself as its reader."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from openreplay_cw_stack.contract.openreplay_project import notified_tag
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKey as BridgeKey,
)
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKeys,
    KeysRead,
    KeyVersion,
)
from openreplay_cw_stack.runtime.rotation.api_key import KEY_LENGTH, ApiKey
from openreplay_cw_stack.runtime.rotation.kinds import PreviousKeyState, RotationRefused
from openreplay_cw_stack.runtime.rotation.rotating import Rotation
from tests.runtime.rotation.simulation import FakeSecret, World, silent_log

DAY = 86_400.0
PROJECT = "openreplay.example/1"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
REFRESH = 60.0


@dataclass
class Deployment:
    """A bridge that runs in several places at once, and an OpenReplay that asks it."""

    projects: tuple[str, ...] = ()
    world: World = field(default_factory=World)
    uses: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secret = FakeSecret(self.world)
        self.secret.stages["first"] = set()
        document = {"api_key_id": "openreplay", "api_key": "the first"}
        self.secret.put("first", document, "AWSCURRENT")
        self.bridges = [
            ApiKeys(self.read, lambda: self.world.now, refresh_seconds=REFRESH) for _ in range(3)
        ]
        self.rotation = Rotation(
            secret=self.secret,
            kind=ApiKey(
                usage=self,
                grace=7 * DAY,
                notice=DAY,
                known_after=REFRESH + 10,
                clock=lambda: self.world.now,
                sleep=self.world.sleep,
            ),
            projects=self.projects,
            clock=lambda: self.world.now,
            notify_projects=lambda: None,
            log=silent_log(),
        )
        self.notified = self.key()

    def key(self) -> BridgeKey:
        current = self.secret.current()
        return BridgeKey(current["api_key_id"], current["api_key"])

    def read(self) -> KeysRead:
        keys = []
        for stage in ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"):
            version = self.secret.state().version(stage)
            value = self.secret.values.get(version) if version else None
            if version and value:
                key = BridgeKey(value.document["api_key_id"], value.document["api_key"])
                keys.append(KeyVersion(version, key))
        return KeysRead(keys)

    def ask(self, key: BridgeKey | None = None) -> list[bool]:
        """Ask each bridge for a session; whether it answered."""
        answered = []
        for bridge in self.bridges:
            accepted = bridge.accept(key or self.notified)
            answered.append(accepted is not None)
            if accepted:
                self.uses.append((accepted.version_id, self.world.now))
        return answered

    def of(self, version_id: str, since: float) -> int:
        return sum(version == version_id and at >= since for version, at in self.uses)

    def rotate(self, token: str) -> None:
        self.secret.begin(token)
        for step in STEPS:
            self.rotation.step(step, token)

    def look(self, days: float = 0.0) -> PreviousKeyState:
        self.world.now += days * DAY
        return self.rotation.retire(self.rotation.keys())

    def tell(self) -> None:
        self.notified = self.key()


def test_a_new_key() -> None:
    deployment = Deployment()
    deployment.rotate("one")
    key = deployment.key()
    assert key.api_key_id == "openreplay"
    assert len(key.api_key) == KEY_LENGTH
    assert key.api_key.isalnum()


def test_the_bridge_knows_a_new_key_wherever_it_runs_when_it_is_told() -> None:
    """Even while somebody keeps every bridge from reading its keys again, with wrong ones."""
    deployment = Deployment()
    deployment.world.each_sleep.append(lambda: None)
    for number in range(20):
        wrong = BridgeKey("openreplay", "wrong")
        deployment.secret.begin(f"rotation {number}")
        assert deployment.ask(wrong) == [False] * 3
        for step in STEPS:
            deployment.rotation.step(step, f"rotation {number}")
            deployment.ask(wrong)
            assert all(deployment.ask()), "the old key is accepted all the time"
        deployment.tell()
        assert all(deployment.ask()), "and so is the new one"
        assert deployment.look(days=0.1) in (PreviousKeyState.ENDED, PreviousKeyState.NOTHING)
        assert deployment.look(days=0.1) is not PreviousKeyState.EXPIRED
        assert all(deployment.ask())


def test_the_previous_key_is_accepted_until_the_new_one_is_used() -> None:
    deployment = Deployment()
    old = deployment.notified
    deployment.rotate("one")
    assert deployment.look(days=0.5) is PreviousKeyState.NOTHING
    assert all(deployment.ask(old))
    deployment.tell()
    assert all(deployment.ask())
    # Another project may still have the old one: it was used a moment ago.
    assert deployment.look() is PreviousKeyState.NOTHING
    assert deployment.look(days=0.1) is PreviousKeyState.ENDED
    deployment.world.now += 301
    assert deployment.ask(old) == [False] * 3
    assert all(deployment.ask())


def test_or_until_its_time_is_up() -> None:
    deployment = Deployment()
    deployment.rotate("one")
    assert deployment.look(days=0.9) is PreviousKeyState.NOTHING
    assert deployment.look(days=0.2) is PreviousKeyState.WAITING
    assert all(deployment.ask())
    assert deployment.look(days=6.0) is PreviousKeyState.EXPIRED
    deployment.world.now += 301
    assert deployment.ask() == [False] * 3
    assert deployment.look() is PreviousKeyState.NOTHING


def test_no_second_rotation_takes_the_readers_key_away() -> None:
    deployment = Deployment()
    deployment.rotate("one")
    with pytest.raises(RotationRefused, match="still needed"):
        deployment.rotate("two")
    assert all(deployment.ask())
    deployment.world.now += 7 * DAY
    deployment.rotate("two")


def test_told_counts_as_used() -> None:
    deployment = Deployment(projects=(PROJECT,))
    deployment.rotate("one")
    deployment.secret.tags[notified_tag(PROJECT)] = "one"
    assert deployment.look() is PreviousKeyState.ENDED


def test_but_only_once_every_project_is_told() -> None:
    deployment = Deployment(projects=(PROJECT, "openreplay.example/2"))
    deployment.rotate("one")
    deployment.secret.tags[notified_tag(PROJECT)] = "one"
    deployment.secret.tags[notified_tag("openreplay.example/2")] = "first"
    assert deployment.look() is PreviousKeyState.NOTHING


def test_uses_of_a_key_while_the_next_one_is_made_are_not_uses_of_the_next() -> None:
    deployment = Deployment()
    deployment.rotate("one")
    deployment.tell()
    deployment.secret.begin("two")
    deployment.world.now += 8 * DAY
    deployment.rotation.step("createSecret", "two")
    assert all(deployment.ask())
    for step in STEPS[1:]:
        deployment.rotation.step(step, "two")
    deployment.world.now += 3601
    assert deployment.look() is PreviousKeyState.NOTHING
    assert all(deployment.ask())


def test_a_test_of_the_rotation_does_not_wait() -> None:
    deployment = Deployment()
    deployment.secret.begin("throw-away")
    before = deployment.world.now
    deployment.rotation.step("testSecret", "throw-away")
    deployment.secret.put("throw-away", deployment.secret.current())
    deployment.rotation.step("testSecret", "throw-away")
    assert deployment.world.now - before < REFRESH
