"""The files of a Lambda function: its own package and the shared ones."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]

_SHARED_PACKAGES = ("contract", "openreplay", "tagging")
# Backends alone import the propagation. The names are the same in a checkout and when installed.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "propagation", "py.typed")


@functools.cache
def stage_function_files(package: str) -> Path:
    """Copy what a function needs into a folder that exists while this process runs.

    The copy keeps the package's structure, so handler names and tracebacks have the import names
    that are used everywhere else.

    Args:
        package: the folder in ``runtime`` that holds the function's code, such as ``bridge``.
    """
    folder = Path(tempfile.mkdtemp(prefix="function-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copied = folder / PACKAGE.name
    for name in (*_SHARED_PACKAGES, f"runtime/{package}"):
        shutil.copytree(PACKAGE / name, copied / name, ignore=_LEFT_OUT)
    for path in (PACKAGE / "__init__.py", *PACKAGE.glob("runtime/*.py")):
        shutil.copy(path, copied / path.relative_to(PACKAGE))
    return folder
