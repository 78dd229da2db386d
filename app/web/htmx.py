"""Responses to htmx, which requests parts of a page.

A browser follows a redirect automatically and would insert the next page into this one, so a
redirect becomes a header for htmx. An expired session opens a dialog over the page, and any other
error is shown at its top, so no input is lost.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASKED = "HX-Request"


def asks(headers: Headers) -> bool:
    """Whether these are the headers of a request for part of a page."""
    return headers.get(_ASKED) == "true"


def event(answer: Response, name: str, **detail: Any) -> Response:
    """Let the response raise an event in the page."""
    answer.headers["HX-Trigger"] = json.dumps({name: detail})
    return answer


def above(answer: Response) -> Response:
    """Show the response at the top of the page, wherever its request wanted it."""
    answer.headers.update(
        {"HX-Retarget": "#message", "HX-Reswap": "innerHTML", "HX-Reselect": ".note"}
    )
    return answer


def session_ended() -> Response:
    """401, and the dialog to sign in again."""
    return event(Response(status_code=401, headers={"HX-Reswap": "none"}), "session-ended")


class Redirects:
    """ASGI middleware that turns a redirect into the header `HX-Redirect`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not asks(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return

        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 303:
                headers = MutableHeaders(scope=message)
                headers["HX-Redirect"] = headers["location"]
                del headers["location"]
                message["status"] = 200
            await send(message)

        await self._app(scope, receive, with_header)
