"""Time limits of requests, which also stop when the client disconnects.

    @router.post("/preview")
    def preview(app: App, gone: Gone, …) -> …:
        with working(gone):
            …

Work that takes longer belongs in a job or on the command line.
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
"""Well below the timeouts of browsers and proxies."""

LONGEST = 120.0
"""For requests that read a source first."""


async def _leaving(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Watches the connection while the route works."""
    with suppress(RuntimeError):  # the CSRF check may already have read the form
        await request.body()  # the next message is the end of the connection
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
"""A dependency that reports whether the client has disconnected."""


def working(gone: Callable[[], bool], seconds: float = LONGEST) -> AbstractContextManager[None]:
    """Limits the work of the block, on its thread. Raises `effort.StoppedError` in it."""
    return effort.within(seconds, stopped=gone)


def expired(gone: Callable[[], bool], seconds: float | None = None) -> Callable[[], bool]:
    """A function that is true once the time (`SECONDS`) has passed or `gone()` is true."""
    until = time.monotonic() + (SECONDS if seconds is None else seconds)
    return lambda: gone() or time.monotonic() > until
