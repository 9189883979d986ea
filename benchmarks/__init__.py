"""Benchmarks, as ratios within one run: seconds depend too much on the machine."""
