"""``make bench``: every measurement but the load, or the ones that are named."""

from __future__ import annotations

import sys

from benchmarks import (
    bridge_cost,
    bridge_fuzz,
    cold_start,
    linearity,
    load,
    synth_cost,
    tagging_cost,
    validator_cost,
    validator_fuzz,
)

MEASUREMENTS = {
    "linearity": linearity.run,
    "bridge_cost": bridge_cost.run,
    "bridge_fuzz": bridge_fuzz.run,
    "tagging_cost": tagging_cost.run,
    "validator_cost": validator_cost.run,
    "validator_fuzz": validator_fuzz.run,
    "cold_start": cold_start.run,
    "synth_cost": synth_cost.run,
}
ON_REQUEST = {"load": load.run}
"""Measurements that take minutes, and are made where they are named."""


def main(names: list[str]) -> int:
    """Run the named measurements; the exit status."""
    known = {**MEASUREMENTS, **ON_REQUEST}
    unknown = set(names) - set(known)
    if unknown:
        print(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 2
    for name in names or MEASUREMENTS:
        known[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
