"""The web application: the API under both prefixes, pages, static files, headers, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app import api
from app.api import health, metrics
from app.application import Application
from app.http import problems
from app.http.framing import Framing
from app.http.headers import SecurityHeaders
from app.http.limits import BodyLimit
from app.http.methods import Heads
from app.http.throttle import Throttle
from app.registers.numbered_pages import Lister
from app.users.invitation import Invitation
from app.version import __version__
from app.web import htmx, pages
from app.web.rendering import STATIC, error_page

THREADS = 12
"""Requests handled at once; the engine's pool has a connection for each and some spare."""

FREE_TRIES_PER_ADDRESS = 20
FREE_TRIES_PER_NAME = 5


def create_app(application: Application, invitation: Invitation | None = None) -> FastAPI:
    """The ASGI application for an `Application` that the caller opens and closes.

    `invitation`: for whoever creates the first account on the pages.
    """
    web = FastAPI(
        title="Open Register",
        version=__version__,
        summary="Registers of objects, kept in sync with external systems",
        openapi_url=None,  # served by a route that requires authentication
        docs_url=None,  # these pages load scripts from other hosts
        redoc_url=None,
        lifespan=_lifespan,
    )
    web.state.application = application
    web.state.invitation = invitation
    web.state.address_throttle = Throttle(free=FREE_TRIES_PER_ADDRESS)
    web.state.lister = Lister()
    web.state.name_throttle = Throttle(free=FREE_TRIES_PER_NAME)
    problems.install(web, error_page)
    web.add_middleware(BodyLimit)
    web.add_middleware(Framing)
    web.add_middleware(SecurityHeaders)
    web.add_middleware(Heads)
    web.add_middleware(htmx.Redirects)
    api.install(web)
    for router in (health.router, metrics.router):  # at the usual addresses for monitoring
        web.include_router(router, include_in_schema=False)
    for router in pages.routers():
        web.include_router(router, include_in_schema=False)
    web.mount("/static", StaticFiles(directory=STATIC), name="static")
    return web


@asynccontextmanager
async def _lifespan(_web: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
