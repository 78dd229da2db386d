"""Settings for the paging styles of APIs, which `connectors.sdk.paging` implements."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from connectors.sdk.config import ConfigModel

Place = Literal["query", "body", "header"]
_TOTAL = "Path of the total number of rows; empty: detect, null: ignore"
_MORE = "Path of a flag for more rows; empty: detect, null: ignore all signs"
_REPEATS = "Rows may legitimately occur on several pages; otherwise that disproves completeness"


class SizedPages(ConfigModel):
    size_param: str = Field(default="", description="Parameter for the page size")
    size: int = Field(default=100, ge=1, description="Rows per page to request")
    place: Place = Field(default="query", description="Where to send page parameters")
    total: str | None = Field(default="", description=_TOTAL)
    more: str | None = Field(default="", description=_MORE)
    repeats: bool = Field(default=False, description=_REPEATS)


class AutoPages(SizedPages):
    """Detect the style from the first responses."""

    type: Literal["auto"] = "auto"


class NoPages(ConfigModel):
    """One request returns everything, as declared by a user."""

    type: Literal["none"] = "none"
    total: str | None = Field(default="", description=_TOTAL)
    more: str | None = Field(default="", description=_MORE)


class NumberedPages(SizedPages):
    """`page=1`, `page=2`, …"""

    type: Literal["page"] = "page"
    param: str = Field(default="page", description="Parameter for the page number")
    start: int = Field(default=1, description="Number of the first page")
    pages: str | None = Field(
        default="", description="Path of the number of pages; empty: detect, null: ignore"
    )
    end_status: tuple[int, ...] = Field(
        default=(404,), description="Statuses for a page after the last one"
    )


class OffsetPages(SizedPages):
    """`offset=0`, `offset=100`, …"""

    type: Literal["offset"] = "offset"
    param: str = Field(default="offset", description="Parameter for the offset")
    start: int = Field(default=0, description="Offset of the first row")
    size_param: str = Field(default="limit", description="Parameter for the page size")
    end_status: tuple[int, ...] = Field(
        default=(), description="Statuses for an offset after the last row"
    )


class CursorPages(SizedPages):
    """Each response contains a token for the next page."""

    type: Literal["cursor"] = "cursor"
    param: str = Field(default="", description="Parameter for the token; empty: detect")
    token: str = Field(
        default="", description="Path of the token (data.-1.id: of the last row); empty: detect"
    )
    keep: tuple[str, ...] | None = Field(
        default=None, description="Query parameters to send with the token; null: all"
    )


class NextUrlPages(SizedPages):
    """Each response contains the URL of the next page."""

    type: Literal["next_url"] = "next_url"
    next: str = Field(default="", description="Path of the URL; empty: detect")


class LinkHeaderPages(SizedPages):
    """The next page is in the `Link` header (RFC 8288)."""

    type: Literal["link_header"] = "link_header"
    rel: str = Field(default="next", description="Relation of the link")


def _word(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


Word = Literal["auto", "none", "page", "offset", "cursor", "next_url", "link_header"]
Style = (
    AutoPages | NoPages | NumberedPages | OffsetPages | CursorPages | NextUrlPages | LinkHeaderPages
)

PaginationConfig = Annotated[
    Style,
    Field(discriminator="type"),
    BeforeValidator(_word, json_schema_input_type=Word | Style),
]
"""A word, or a document with a `type`."""
