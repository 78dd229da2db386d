"""The JSON API: FastAPI routers, one module per noun, under `/api` and under the path of the
Nextcloud app."""

from __future__ import annotations

import importlib
import pkgutil

from fastapi import APIRouter, FastAPI

from app.http.problems import API_PREFIXES


def install(web: FastAPI) -> None:
    """Add every router twice; the OpenAPI document contains only the short paths."""
    for prefix in API_PREFIXES:
        for router in routers():
            web.include_router(router, prefix=prefix, include_in_schema=prefix == API_PREFIXES[0])


def routers() -> list[APIRouter]:
    """The router of every module here whose name does not start with `_`, by name."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"
    )
    return [importlib.import_module(f"{__name__}.{name}").router for name in names]
