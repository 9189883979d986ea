"""Secrets Manager, IAM and readers in memory, with a clock and faults that a test sets.

They follow the pages of AWS's documentation that the code names.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.rotation.secret import (
    CURRENT,
    PENDING,
    PREVIOUS,
    AlreadyStored,
    SecretState,
    StoredValue,
)
from openreplay_cw_stack.runtime.rotation.user import UserKey


class Died(BaseException):
    """The function was killed: none of its handlers runs."""


@dataclass
class World:
    """A clock, and the faults to come.

    Attributes:
        now: seconds since 1970.
        calls: how many calls were made.
        log: the names of these calls.
        faults: by the number of a call: whether it fails before or after its effect, and how.
        each_sleep: what others do while the rotation sleeps.
    """

    now: float = 1_795_000_000.0
    calls: int = 0
    log: list[str] = field(default_factory=list)
    faults: dict[int, tuple[str, BaseException]] = field(default_factory=dict)
    each_sleep: list[Callable[[], None]] = field(default_factory=list)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Make calls that have no fault and no number."""
        calls, faults = self.calls, self.faults
        self.faults = {}
        yield
        self.calls, self.faults = calls, faults

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)
        for act in list(self.each_sleep):
            act()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Make one call of AWS, with its fault."""
        self.calls += 1
        self.now += 0.05
        self.log.append(name)
        when, fault = self.faults.get(self.calls, ("", None))
        if fault is not None and when == "before":
            raise fault
        yield
        if fault is not None and when == "after":
            raise fault


@dataclass
class FakeSecret:
    """A secret with versions, as Secrets Manager has them."""

    world: World
    stages: dict[str, set[str]] = field(default_factory=dict)
    values: dict[str, StoredValue] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    rotations: int = 0
    on_rotate: Callable[[], None] = lambda: None

    def begin(self, token: str) -> None:
        """Do what RotateSecret does before the first step."""
        stages = self.stages.setdefault(token, set())
        if CURRENT not in stages:
            stages.add(PENDING)

    def state(self) -> SecretState:
        with self.world.call("DescribeSecret"):
            labelled = {one: frozenset(stages) for one, stages in self.stages.items() if stages}
            return SecretState(labelled, dict(self.tags))

    def value(self, version_id: str) -> StoredValue | None:
        with self.world.call("GetSecretValue"):
            return self.values.get(version_id)

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        with self.world.call("PutSecretValue"):
            if version_id in self.values:
                if dict(self.values[version_id].document) != dict(document):
                    raise AlreadyStored
                return
            self.values[version_id] = StoredValue(dict(document), self.world.now)
            self.stages.setdefault(version_id, set())
            self._label(stage, version_id)

    def move(self, stage: str, *, to: str, out_of: str | None) -> None:
        with self.world.call("UpdateSecretVersionStage"):
            if out_of != self._holder(stage):
                raise CallFailed("InvalidParameterException")
            self._label(stage, to)

    def remove(self, stage: str, *, out_of: str) -> None:
        with self.world.call("UpdateSecretVersionStage"):
            if stage not in self.stages.get(out_of, set()):
                raise CallFailed("InvalidParameterException")
            self.stages[out_of].discard(stage)

    def tag(self, key: str, value: str) -> None:
        with self.world.call("TagResource"):
            assert len(key) <= 128
            assert len(value) <= 256
            self.tags[key] = value

    def rotate(self) -> None:
        with self.world.call("RotateSecret"):
            self.rotations += 1
        self.on_rotate()

    def _label(self, stage: str, version_id: str) -> None:
        holder = self._holder(stage)
        if holder is not None and holder != version_id:
            self.stages[holder].discard(stage)
            if stage == CURRENT:
                for stages in self.stages.values():
                    stages.discard(PREVIOUS)
                self.stages[holder].add(PREVIOUS)
        self.stages[version_id].add(stage)
        if stage == CURRENT:
            # "If AWSPENDING is on the same version as AWSCURRENT, the rotation is complete."
            self.stages[version_id].discard(PENDING)

    def _holder(self, stage: str) -> str | None:
        return next((one for one, stages in self.stages.items() if stage in stages), None)

    def current(self) -> dict[str, str]:
        holder = self._holder(CURRENT)
        return dict(self.values[holder].document) if holder else {}


@dataclass
class FakeUser:
    """An IAM user with at most two keys. A new key takes a while to work."""

    world: World
    works_after: float = 12.0
    active: dict[str, bool] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    most_keys: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def list_keys(self) -> list[UserKey]:
        with self.world.call("ListAccessKeys"):
            return [UserKey(one, active, self.made[one]) for one, active in self.active.items()]

    def create_key(self) -> tuple[str, str]:
        with self.world.call("CreateAccessKey"):
            return self.add()

    def add(self) -> tuple[str, str]:
        """Create a key, as a person or CloudFormation does."""
        if len(self.active) >= 2:
            raise CallFailed("LimitExceeded")
        key_id = f"AKIA{next(self.numbers):016}"
        self.active[key_id] = True
        self.made[key_id] = self.world.now
        self.most_keys = max(self.most_keys, len(self.active))
        return key_id, f"secret of {key_id}"

    def disable_key(self, key_id: str) -> None:
        with self.world.call("UpdateAccessKey"):
            if key_id not in self.active:
                raise CallFailed("NoSuchEntity")
            self.active[key_id] = False

    def delete_key(self, key_id: str) -> None:
        with self.world.call("DeleteAccessKey"):
            self.active.pop(key_id, None)

    def last_used(self, key_id: str) -> float | None:
        with self.world.call("GetAccessKeyLastUsed"):
            return self.used.get(key_id)

    def reads(self, document: Mapping[str, str]) -> str | None:
        """Make a call with a key. Return None if it works, else the error's code."""
        key_id = document["access_key_id"]
        if not self.active.get(key_id) or document["secret_access_key"] != f"secret of {key_id}":
            return "UnrecognizedClientException"
        if self.world.now - self.made[key_id] < self.works_after:
            return "UnrecognizedClientException"
        self.used[key_id] = float(int(self.world.now))
        return None


@dataclass
class Reader:
    """OpenReplay's poller, with the key that it was last given."""

    user: FakeUser
    key: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    polls: int = 0

    def poll(self) -> None:
        if self.key:
            self.polls += 1
            self.refused += self.user.reads(self.key) is not None


def silent_log() -> FunctionLog:
    """Return a log that prints nothing."""
    return FunctionLog("deployment", emit=lambda line: None)
