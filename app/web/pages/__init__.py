"""The pages, one module per noun; a module's `router` is discovered automatically."""

from __future__ import annotations

import importlib
import pkgutil

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """The router of every module here whose name does not start with `_`, by name."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"
    )
    return [importlib.import_module(f"{__name__}.{name}").router for name in names]
