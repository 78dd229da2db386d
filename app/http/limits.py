"""Limits on request bodies: bytes, form fields, and the depth and numbers of JSON."""

from __future__ import annotations

import json

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import Problem, answer
from connectors.sdk import canonical

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes; enough for a workbook uploaded as a source. It is streamed to disk."""

LARGEST_DOCUMENT = 8 * 1024 * 1024
"""Bytes of any other body, which is held in memory."""

MOST_IN_MEMORY = 256 * 1024 * 1024
"""Bytes of all bodies held in memory at the same time."""

MOST_PARAMETERS = 1000
"""Parameters of a URL; starlette limits form fields to the same number."""

_UPLOAD = "multipart/form-data"


class BodyLimit:
    """ASGI middleware that answers 413 to larger bodies, with or without Content-Length.

    JSON that FastAPI's parser accepts but cannot be stored (a lone surrogate, NaN, huge
    numbers, deep nesting) is answered with 422.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            said = f"The URL has more than {MOST_PARAMETERS:,} parameters"
            await answer(Request(scope), Problem(400, "TooMuch", said))(scope, receive, send)
            return
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        upload = kind == _UPLOAD
        largest = self._largest if upload else min(LARGEST_DOCUMENT, self._largest)
        received, kept = 0, bytearray()

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] != "http.request":
                return message
            piece = message.get("body", b"")
            received += len(piece)
            if received > largest:
                raise HTTPException(413, f"The body is larger than {largest:,} bytes")
            if not upload:
                self._held += len(piece)
                if self._held > MOST_IN_MEMORY:
                    raise HTTPException(
                        503, "The server is receiving too much data", {"Retry-After": "5"}
                    )
                if kind.endswith("json"):
                    kept.extend(piece)
                    if not message.get("more_body", False):
                        await run_in_threadpool(_check, bytes(kept))
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            if not upload:
                self._held -= received


def _check(body: bytes) -> None:
    """Raise HTTPException for JSON that cannot be stored; routes report invalid JSON."""
    try:
        canonical.value(canonical.loads(body))
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
    else:
        return
    try:
        json.loads(body)
    except RecursionError:
        reason = canonical.TOO_DEEP
    except ValueError:
        return
    raise HTTPException(422, f"The body contains JSON that cannot be stored: {reason}")
