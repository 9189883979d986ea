"""``make bench``: runs all benchmarks, or the named ones."""

from __future__ import annotations

import importlib
import sys

from benchmarks.measuring import BoundMissed

MEASUREMENTS = {
    "validator_cost": "CPU of the validator, beside Powertools, Datadog and Elastic",
    "payload_memory": "memory and time of the largest payloads",
    "cost_model": "dollars per million lines, and a month",
    "linearity": "CPU by the length of a line",
    "tagging_cost": "the cost of the session tag in a program that logs",
    "bridge_fuzz": "hostile requests and items",
    "validator_fuzz": "hostile lines and payloads",
    "cold_start": "the bridge's cold start",
    "synth_cost": "CPU of python app.py",
    "load": "a million lines, an hour-long outage, a hot session (minutes)",
    "bridge_cost": "a search while the table grows to a million lines (minutes)",
}


def main(names: list[str]) -> int:
    """Run the named benchmarks and return the exit status."""
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        print(f"there is no {', '.join(sorted(unknown))}; there are:")
        for name, meaning in MEASUREMENTS.items():
            print(f"  {name:16} {meaning}")
        return 2
    missed = []
    for name in names or MEASUREMENTS:
        try:
            importlib.import_module(f"benchmarks.{name}").run()
        except BoundMissed as bounds:
            missed.append(f"{name}: {bounds}")
    for one in missed:
        print(f"MISSED {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
