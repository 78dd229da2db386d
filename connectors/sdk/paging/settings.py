"""Settings of the styles that APIs page in; `connectors.sdk.paging` does the paging."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from connectors.sdk.config import ConfigModel

Place = Literal["query", "body", "header"]
_TOTAL = "Path of the number of all rows; empty: by itself, null: ignore it"
_MORE = "Path of a flag that says whether there is more; empty: by itself, null: ignore all signs"
_REPEATS = "The same row may come on several pages; otherwise that proves nothing complete"


class SizedPages(ConfigModel):
    size_param: str = Field(default="", description="Parameter that asks for a page size")
    size: int = Field(default=100, ge=1, description="Rows to ask for per page")
    place: Place = Field(default="query", description="Where page parameters go")
    total: str | None = Field(default="", description=_TOTAL)
    more: str | None = Field(default="", description=_MORE)
    repeats: bool = Field(default=False, description=_REPEATS)


class AutoPages(SizedPages):
    """The style is found out from the first answers."""

    type: Literal["auto"] = "auto"


class NoPages(ConfigModel):
    """One request gives everything: a person has said so."""

    type: Literal["none"] = "none"
    total: str | None = Field(default="", description=_TOTAL)
    more: str | None = Field(default="", description=_MORE)


class NumberedPages(SizedPages):
    """`page=1`, `page=2`, …"""

    type: Literal["page"] = "page"
    param: str = Field(default="page", description="Parameter that takes the number")
    start: int = Field(default=1, description="Number of the first page")
    pages: str | None = Field(
        default="", description="Path of the number of pages; empty: by itself, null: ignore it"
    )
    end_status: tuple[int, ...] = Field(
        default=(404,), description="Statuses that say: no such page, past the last one"
    )


class OffsetPages(SizedPages):
    """`offset=0`, `offset=100`, …"""

    type: Literal["offset"] = "offset"
    param: str = Field(default="offset", description="Parameter that takes the offset")
    start: int = Field(default=0, description="Offset of the first row")
    size_param: str = Field(default="limit", description="Parameter that asks for a page size")
    end_status: tuple[int, ...] = Field(
        default=(), description="Statuses that say: no such offset, past the last row"
    )


class CursorPages(SizedPages):
    """Each answer holds a token for the next page."""

    type: Literal["cursor"] = "cursor"
    param: str = Field(default="", description="Parameter that takes the token; empty: by itself")
    token: str = Field(
        default="", description="Path of the token (data.-1.id: of the last row); empty: by itself"
    )
    keep: tuple[str, ...] | None = Field(
        default=None, description="Query parameters that go along with the token; null: all"
    )


class NextUrlPages(SizedPages):
    """Each answer holds the address of the next page."""

    type: Literal["next_url"] = "next_url"
    next: str = Field(default="", description="Path of the address; empty: by itself")


class LinkHeaderPages(SizedPages):
    """The next page is named by the `Link` header (RFC 8288)."""

    type: Literal["link_header"] = "link_header"
    rel: str = Field(default="next", description="The link's relation")


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
