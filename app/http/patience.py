"""How long a request works on its answer; what takes longer belongs to a worker or the host."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 20.0
"""Well below what browsers and proxies wait for."""


def over(seconds: float | None = None) -> Callable[[], bool]:
    """Tells, from now on, whether so much time has passed; `SECONDS` by default."""
    until = time.monotonic() + (SECONDS if seconds is None else seconds)
    return lambda: time.monotonic() > until
