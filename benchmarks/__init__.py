"""Measurements, as ratios taken in one run: a figure in seconds says more about the machine."""
