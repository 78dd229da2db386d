"""How much a request may bring along."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes; a workbook that is uploaded as a source has to fit."""


class BodyLimit:
    """ASGI middleware that answers 413 to larger bodies, whether announced or not."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._largest:
                    raise HTTPException(413, f"The body is larger than {self._largest:,} bytes")
            return message

        await self._app(scope, counted, send)
