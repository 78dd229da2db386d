"""Create the paginator for the settings, or for what an earlier read found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from connectors.sdk.config import ConfigModel
from connectors.sdk.http.messages import Request
from connectors.sdk.paging.base import Follow, Paginator
from connectors.sdk.paging.settings import (
    AutoPages,
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    PaginationConfig,
)
from connectors.sdk.paging.styles import Cursor, LinkHeader, NextUrl, Numbered, Offset, SinglePage
from connectors.sdk.rows import JsonValue

T = TypeVar("T", bound=ConfigModel)


def paginator(config: PaginationConfig, base: Request, follow: Follow) -> Paginator | None:
    """The paginator for these settings; None for `auto`, which needs a page first."""
    if isinstance(config, NumberedPages):
        return Numbered(config, base)
    if isinstance(config, OffsetPages):
        return Offset(config, base)
    if isinstance(config, CursorPages):
        return Cursor(config, base)
    if isinstance(config, NextUrlPages):
        return NextUrl(config, base, follow)
    if isinstance(config, LinkHeaderPages):
        return LinkHeader(config, base, follow)
    if isinstance(config, NoPages):
        return SinglePage(base, config.total, "")
    return None


_STYLES: Mapping[str, type[ConfigModel]] = {
    "page": NumberedPages,
    "offset": OffsetPages,
    "cursor": CursorPages,
    "next_url": NextUrlPages,
    "link_header": LinkHeaderPages,
}


def known(found: JsonValue, config: AutoPages, base: Request, follow: Follow) -> Paginator | None:
    """The paginator of a style found by an earlier read."""
    if not isinstance(found, dict) or (model := _STYLES.get(str(found.get("type")))) is None:
        return None
    settings = {name: value for name, value in found.items() if name != "type"}
    style: Any = like(model, config, **settings)
    return paginator(style, base, follow)


def like(model: type[T], config: AutoPages, **more: Any) -> T:
    """Settings of a style with the user's general paging settings."""
    shared: dict[str, Any] = {
        "place": config.place,
        "total": config.total,
        "more": config.more,
        "repeats": config.repeats,
    }
    if config.size_param:
        shared |= {"size_param": config.size_param, "size": config.size}
    return model.model_validate({**shared, **more})
