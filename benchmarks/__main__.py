"""``make bench``: every measurement, or the ones that are named."""

from __future__ import annotations

import sys

from benchmarks import (
    bridge_cost,
    bridge_fuzz,
    cold_start,
    linearity,
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


def main(names: list[str]) -> int:
    """Run the named measurements; the exit status."""
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        print(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(MEASUREMENTS)}")
        return 2
    for name in names or MEASUREMENTS:
        MEASUREMENTS[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
