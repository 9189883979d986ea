from __future__ import annotations

import os

from hypothesis import settings

# Node 20 still works, and jsii would print 11 lines about it at every start.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

# A deadline is an absolute time, which a busy machine misses.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
