"""Suggested settings: to follow a sign of more rows, or to declare that there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.sdk.paging.base import Seen
from connectors.sdk.paging.signs import Kind, Sign
from connectors.sdk.paging.tokens import params_for

EVERYTHING = "pagination: none"


def setting(style: Mapping[str, Any]) -> str:
    """A `pagination` on one line, as YAML."""
    inner = ", ".join(f"{name}: {_plain(value)}" for name, value in style.items())
    return f"pagination: {{{inner}}}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        odd = not value or value[0] in "@&*!|>%`'\"$-[]{}#?" or ": " in value or value == "null"
        return f'"{value}"' if odd or "[" in value or "," in value else value
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_plain, value))}]"
    if value is None or isinstance(value, bool):  # not 1 and 0, which compare equal
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def following(sign: Sign, page: Seen, key: str) -> str:
    """The setting that follows a sign; `key` is the field that identifies a row."""
    if sign.kind is Kind.HEADER_LINK:
        return "pagination: link_header"
    if sign.kind is Kind.LINK:
        return setting({"type": "next_url", "next": sign.path})
    if sign.kind is Kind.TOKEN:
        params = params_for(sign.path, sign.value, page)
        style = {"type": "cursor", "token": sign.path, "param": params[0] if params else "cursor"}
        if params and params[0].startswith("variables."):
            style["place"] = "body"
        return setting(style)
    last = f"{page.records}.-1.{key}" if page.records else f"-1.{key}"
    style = {"type": "cursor", "token": last, "param": "starting_after", "more": sign.path}
    return f"{setting(style)} (if the next page starts after the id of the last row)"


def counting(page: Seen) -> str:
    """The settings for a source that states a higher total than the rows read."""
    offset = {"type": "offset", "param": "offset", "size_param": "limit", "size": page.rows or 100}
    return f"{setting({'type': 'page', 'param': 'page'})}, or {setting(offset)}"
