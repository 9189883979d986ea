"""Benchmarks. They compare times within one run, since absolute times depend on the machine."""
