"""The shared parts of ``check`` and ``preflight``: findings and their report."""
