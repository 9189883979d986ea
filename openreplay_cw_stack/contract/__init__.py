"""Definitions that several packages share: linked lines, the session table, metrics and limits.

Standard library only.
"""
