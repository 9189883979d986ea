"""What several rooms share: linked lines, the session table, metric names and limits.

Standard library only.
"""
