"""What all tests share: how property tests search."""

from __future__ import annotations

import os

from hypothesis import settings

# A deadline would be an assertion about time. In CI the same examples are tried each time, so that a red run is a
# finding about the change and not about luck; elsewhere the search goes on.
settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("suite")
