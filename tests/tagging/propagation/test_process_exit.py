from __future__ import annotations

import pytest

from tests.tagging.propagation.interpreters import INTERPRETERS
from tests.tagging.propagation.test_streams import run
from tests.tagging.propagation.visitors import ANNA


@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_process_that_exits_at_once_and_does_not_buffer(version: str) -> None:
    """Without the tagging, Python would have written the line already."""
    program = "anna.__enter__()\nprint('last words', end='', file=sys.stderr)\nos._exit(3)"
    ran = run(version, program, "-u")
    assert (ran.stderr, ran.returncode) == (f"{ANNA.tag} last words", 3)


def test_a_line_that_another_thread_has_begun() -> None:
    program = (
        "import threading\n"
        "begun = threading.Event()\n"
        "def work():\n"
        "    with anna:\n"
        "        print('begun', end='', file=sys.stderr)\n"
        "        begun.set()\n"
        "        threading.Event().wait()\n"
        "threading.Thread(target=work).start()\n"
        "begun.wait()\n"
        "os._exit(3)\n"
    )
    assert run(next(iter(INTERPRETERS)), program, "-u").stderr == f"{ANNA.tag} begun"


@pytest.mark.parametrize("end", ["os._exit(3)", "sys.exit(3)"])
def test_a_write_that_does_not_end_holds_up_no_exit_for_ever(end: str) -> None:
    program = (
        "import threading\n"
        "taken = threading.Event()\n"
        "def take():\n"
        "    with anna, sys.stderr._lock:\n"
        "        print('begun', end='', file=sys.stderr)\n"
        "        taken.set()\n"
        "        threading.Event().wait()\n"
        "threading.Thread(target=take, daemon=True).start()\n"
        "taken.wait()\n"
        f"{end}\n"
    )
    assert run(next(iter(INTERPRETERS)), program).returncode == 3
