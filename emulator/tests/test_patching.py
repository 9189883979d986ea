from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator import Emulator, EmulatorError, patching


@pytest.fixture
def module() -> Any:
    found: Any = types.ModuleType("some.module")
    found.old = lambda *arguments: ["old", *arguments]
    found.table = {"entry": lambda *arguments: ["entry", *arguments]}
    return found


def test_replace_and_wrap(module: Any) -> None:
    patching.wrap(module, "old", lambda original, *arguments: ["new", *original(*arguments)])
    assert module.old(1) == ["new", "old", 1]
    patching.wrap_entry(module.table, "table", "entry", lambda original: original(2))
    assert module.table["entry"]() == ["entry", 2]
    patching.replace(module, "old", 3)
    assert module.old == 3


def test_what_is_missing_is_named_with_both_versions(module: Any) -> None:
    attempts: list[Callable[[], None]] = [
        lambda: patching.require(module, ["old", "gone"]),
        lambda: patching.replace(module, "gone", None),
        lambda: patching.wrap(module, "gone", print),
        lambda: patching.wrap_entry(module.table, "some.module", "gone", print),
    ]
    for attempt in attempts:
        with pytest.raises(patching.IncompatibleMiniStack) as error:
            attempt()
        assert "some.module has no gone" in str(error.value)
        assert "MiniStack 1.5.33" in str(error.value)
        assert f"installed is {patching.installed_version()}" in str(error.value)


@pytest.mark.emulator
def test_another_ministack_stops_the_start_up(tmp_path: Path) -> None:
    # Python runs a module of this name before anything else.
    (tmp_path / "sitecustomize.py").write_text(
        "from ministack.services import cloudwatch_logs\ndel cloudwatch_logs._put_log_events\n"
    )
    with pytest.raises(EmulatorError) as error:
        Emulator(extra_environment={"PYTHONPATH": str(tmp_path)}).start()
    assert "cloudwatch_logs has no _put_log_events" in str(error.value)
    assert "MiniStack 1.5.33" in str(error.value)
