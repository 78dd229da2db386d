"""Reject requests with an ambiguous length, which a proxy in front may interpret differently."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.problems import Problem, answer


class Framing:
    """ASGI middleware that answers 400 to Content-Length with Transfer-Encoding, and closes.

    RFC 9112, 6.1: such a message "might indicate an attempt to perform request smuggling". h11
    itself rejects other ambiguous lengths.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set()
        if not {b"content-length", b"transfer-encoding"} <= names:
            await self._app(scope, receive, send)
            return
        refused = Problem(
            400,
            "DoubtfulLength",
            "The request has both Content-Length and Transfer-Encoding",
            hint="Send only one of them",
            headers={"Connection": "close"},
        )
        await answer(Request(scope), refused)(scope, receive, send)
