"""Applications of a few lines, each run by a test."""
