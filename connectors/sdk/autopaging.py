"""Which style of paging a source has, found out from its first answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from connectors.sdk.config import ConfigModel
from connectors.sdk.messages import Request
from connectors.sdk.pagination import (
    AutoPages,
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    PaginationConfig,
)
from connectors.sdk.paginators import (
    Cursor,
    Follow,
    LinkHeader,
    NextUrl,
    Numbered,
    Offset,
    Paginator,
    Seen,
    SinglePage,
    link_of,
    looks_like_link,
    next_url_path,
    token_paths,
)
from connectors.sdk.records import at
from connectors.sdk.totals import under_wrappers, whole_number

T = TypeVar("T", bound=ConfigModel)

_PAGE_NUMBERS = ("page", "current_page", "currentPage", "page_number", "pageNumber", "number")
_OFFSETS = ("offset", "skip", "start", "startIndex", "start_index")
_IDENTITIES = ("id", "_id", "uuid", "@id", "identifier", "key", "code", "url", "href", "name")


def paginator(config: PaginationConfig, base: Request, follow: Follow) -> Paginator | None:
    """The paginator of these settings; None for `auto`, which needs a page first."""
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
        return SinglePage(base, config.total)
    return None


def detect(page: Seen, config: AutoPages, base: Request, follow: Follow) -> Paginator | None:
    """The style that the first page shows by a link, a token or its own number, else None."""
    if any(link_of(page.headers, rel) for rel in ("next", "last", "first", "prev")):
        return LinkHeader(_like(LinkHeaderPages, config), base, follow)
    document = page.document
    path = next_url_path(document)
    if path is not None and _is_link(at(document, path)):
        return NextUrl(_like(NextUrlPages, config, next=path), base, follow)
    for token_path in token_paths():
        token = at(document, token_path)
        if isinstance(token, str) and token and not looks_like_link(token):
            return Cursor(_like(CursorPages, config, token=token_path), base)
    if path is not None:  # null: the source would name the next page if there were one
        return NextUrl(_like(NextUrlPages, config, next=path), base, follow)
    return _by_echo(document, config, base)


def _is_link(found: Any) -> bool:
    return isinstance(found, (str, dict))


def _by_echo(document: Any, config: AutoPages, base: Request) -> Paginator | None:
    """By the page number or offset that the answer repeats."""
    if not isinstance(document, dict):
        return None
    for path in under_wrappers(_OFFSETS):
        if whole_number(at(document, path)) in (0, 1):
            name = path.rpartition(".")[2]
            start = whole_number(at(document, path)) or 0
            return Offset(_like(OffsetPages, config, param=name, start=start, size_param=""), base)
    for path in under_wrappers(_PAGE_NUMBERS):
        number = whole_number(at(document, path))
        if number in (0, 1):
            name = path.rpartition(".")[2]
            param = name if name in ("page", "page_number", "pageNumber") else "page"
            return Numbered(_like(NumberedPages, config, param=param, start=number), base)
    return None


def candidates(rows: int, config: AutoPages, base: Request) -> list[Paginator]:
    """Styles to try when the first page shows none: does the source know `page` or `offset`?"""
    if base.method != "GET" or not rows:
        return []
    return [
        Numbered(_like(NumberedPages, config), base),
        Offset(_like(OffsetPages, config, **({} if config.size_param else {"size": rows})), base),
    ]


def from_zero(config: AutoPages, base: Request) -> Numbered:
    """Page numbers that begin with 0."""
    return Numbered(_like(NumberedPages, config, start=0), base)


def single(config: AutoPages, base: Request) -> Paginator:
    """Everything came in one page."""
    return SinglePage(base, config.total)


def _like(model: type[T], config: AutoPages, **more: Any) -> T:
    shared: dict[str, Any] = {"place": config.place, "total": config.total}
    if config.size_param:
        shared |= {"size_param": config.size_param, "size": config.size}
    return model.model_validate({**shared, **more})


def same_rows(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two pages hold the same things, by their identities or else word for word.

    Identities come first: a row may carry the time at which it was asked for.
    """
    for name in _IDENTITIES:
        known = _identities(first, name)
        if known is not None:
            others = _identities(second, name)
            return others is not None and others <= known
    return list(first) == list(second)


def _identities(rows: Sequence[Any], name: str) -> set[Any] | None:
    """The values of a field that is in every row and differs in each, or None."""
    values = {
        value
        for row in rows
        if isinstance(row, dict) and isinstance(value := row.get(name), (str, int))
    }
    return values if rows and len(values) == len(rows) else None


def likely_key(rows: Sequence[Any]) -> str | None:
    """The field that tells these rows apart, by the names that identifiers go by."""
    return next((name for name in _IDENTITIES if _identities(rows, name) is not None), None)
