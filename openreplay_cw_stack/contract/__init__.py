"""What several rooms must agree on: the linked line and the items of the session table.

Standard library only.
"""
