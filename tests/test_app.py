from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_node_js_has_one_thread_of_v8_and_what_the_user_set_comes_after_it(tmp_path: Path) -> None:
    seen, spy = tmp_path / "seen", tmp_path / "spy.js"
    spy.write_text("require('fs').writeFileSync(process.env.SEEN, process.env.NODE_OPTIONS)")
    options = f"--require {spy}"
    subprocess.run(
        [sys.executable, "-c", "import app"],
        cwd=ROOT,
        env={**os.environ, "NODE_OPTIONS": options, "SEEN": str(seen)},
        check=True,
        capture_output=True,
    )
    assert seen.read_text() == f"--v8-pool-size=1 {options}"
