"""How long a request works on its answer, and that it stops once nobody waits for it any more.

    @router.post("/preview")
    def preview(app: App, gone: Gone, …) -> …:
        with working(gone):
            …

What takes longer belongs to a worker or the host.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, suppress
from typing import Annotated

from fastapi import Depends, Request

from app.mapping.language import effort

SECONDS = 20.0
"""Well below what browsers and proxies wait for."""

LONGEST = 120.0
"""For what has to read a source first."""


async def _leaving(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Watches the connection while the route works."""
    with suppress(RuntimeError):  # the check of the CSRF token may have read the form already
        await request.body()  # what comes after it is the end of the connection
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield gone.is_set
    finally:
        watching.cancel()


Gone = Annotated[Callable[[], bool], Depends(_leaving)]
"""A dependency that tells whether the client has closed its connection."""


def working(gone: Callable[[], bool], seconds: float = LONGEST) -> AbstractContextManager[None]:
    """Bounds the work of the block, on its own thread. Raises `effort.StoppedError` in it."""
    return effort.within(seconds, stopped=gone)


def over(gone: Callable[[], bool], seconds: float | None = None) -> Callable[[], bool]:
    """Tells, from now on, whether to stop: so much time (`SECONDS`) has passed, or `gone()`."""
    until = time.monotonic() + (SECONDS if seconds is None else seconds)
    return lambda: gone() or time.monotonic() > until
