"""The files that a Lambda function is deployed with: its room, and the rooms that all share."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]

_SHARED_ROOMS = ("contract", "openreplay", "tagging")
# Backends alone import the propagation. The names are the same in a checkout and when installed.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "propagation", "py.typed")


@functools.cache
def stage_function_files(room: str) -> Path:
    """Copy what a function needs into a folder that exists while this process runs.

    Handler names are then the import names used everywhere else, and so are the lines in a
    traceback.

    Args:
        room: the folder in ``runtime`` that holds the function's code, such as ``bridge``.
    """
    folder = Path(tempfile.mkdtemp(prefix="function-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    package = folder / PACKAGE.name
    for name in (*_SHARED_ROOMS, f"runtime/{room}"):
        shutil.copytree(PACKAGE / name, package / name, ignore=_LEFT_OUT)
    for path in (PACKAGE / "__init__.py", *PACKAGE.glob("runtime/*.py")):
        shutil.copy(path, package / path.relative_to(PACKAGE))
    return folder
