"""The Pythons of this machine that the tagging is for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def _found() -> dict[str, str]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {own: sys.executable}
    for version in VERSIONS:
        installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        path = str(installed[-1]) if installed else shutil.which(f"python{version}")
        # pyenv puts commands on the path for versions that it does not have.
        if path and "shims" not in path:
            found.setdefault(version, path)
    return found


INTERPRETERS = _found()
"""The path of an interpreter, by its version; the one that runs the tests among them."""


def environment() -> dict[str, str]:
    """The environment for a program whose streams are tested.

    An unbuffered stream would hide what is lost for want of a flush.
    """
    hidden = ("PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONFAULTHANDLER")
    return {name: value for name, value in os.environ.items() if name not in hidden}
