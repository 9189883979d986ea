"""What OpenReplay's player does with the hits (``BackendLogs/utils.ts``, v1.21 to v1.27)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

LEVELS = ("error", "warning", "info", "debug")


def check_hits(hits: list[dict[str, Any]]) -> None:
    """Fail where the player would: on any hit, or in finding its place by time."""
    times = []
    for hit in hits:
        assert isinstance(hit["_id"], str)
        assert hit["_id"]
        source = hit["_source"]
        assert isinstance(source["message"], str)
        assert source["message"]
        assert source["level"] in LEVELS
        assert source["@timestamp"].endswith("Z")
        times.append(datetime.fromisoformat(source["@timestamp"].replace("Z", "+00:00")))
        assert "attributes" not in hit
    assert times == sorted(times)
    assert len({hit["_id"] for hit in hits}) == len(hits)
    assert len(hits) <= 1000
