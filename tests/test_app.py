from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_app_synthesises_without_a_finding_of_cdk_nag(tmp_path: Path) -> None:
    context = (ROOT / "cdk.json").read_text()
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_CONTEXT_JSON": json.dumps(json.loads(context)["context"]),
            "CDK_OUTDIR": str(tmp_path),
        },
        check=True,
        capture_output=True,
    )
    template = json.loads((tmp_path / "OpenReplayCloudWatch.template.json").read_text())
    assert "AWS::DynamoDB::Table" in str(template["Resources"])
    # Point out the key that later versions of OpenReplay do not use.
    said = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert "service_account=False removes the key" in said
    assert "aws:cdk:warning" not in said
