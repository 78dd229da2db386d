"""Links to other pages: the `Link` header (RFC 8288), and URLs inside a document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN_END = re.compile(r"[\s;,]")
_NAME_END = re.compile(r"[\s=;,]")
PAGE_RELS = frozenset({"next", "prev", "previous", "first", "last"})
"""Relations that identify a server which pages by links."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a `Link` header."""

    target: str
    params: Mapping[str, str]
    """Parameters by lower-case name; the first of a repeated one counts."""

    @property
    def rels(self) -> tuple[str, ...]:
        """Its relation types, in lower case."""
        return tuple(self.params.get("rel", "").lower().split())


def parse_links(header: str) -> list[Link]:
    """The links of a header, or of several joined with commas.

    Follows RFC 8288, appendix B.2 and B.3: a semicolon or comma inside angle brackets or quotes
    is part of the text, and a parameter may have no value. Parsing stops at the first error and
    never raises.
    """
    return list(_links(header))


def _links(text: str) -> Iterator[Link]:
    at = 0
    while True:
        at = _skip(text, at, " \t,")
        if at >= len(text) or text[at] != "<":
            return
        end = text.find(">", at)
        if end < 0:
            return
        params, after = _params(text, end + 1)
        yield Link(text[at + 1 : end].strip(), params)
        at = after


def _params(text: str, at: int) -> tuple[dict[str, str], int]:
    """Parameters from `at` on, and where they end: at an unquoted comma, or the end."""
    params: dict[str, str] = {}
    while True:
        at = _skip(text, at, " \t")
        if at >= len(text) or text[at] != ";":
            return params, at
        at = _skip(text, at + 1, " \t")
        name, at = _until(text, at, _NAME_END)
        at = _skip(text, at, " \t")
        value = ""
        if at < len(text) and text[at] == "=":
            at = _skip(text, at + 1, " \t")
            if at < len(text) and text[at] == '"':
                value, at = _quoted(text, at)
            else:
                value, at = _until(text, at, _TOKEN_END)
        if name:
            params.setdefault(name.lower(), value)


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _until(text: str, at: int, stop: re.Pattern[str]) -> tuple[str, int]:
    found = stop.search(text, at)
    end = found.start() if found else len(text)
    return text[at:end], end


def _quoted(text: str, at: int) -> tuple[str, int]:
    """A quoted string starting at `at`; a backslash escapes any character."""
    value: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        value.append(text[at])
        at += 1
    return "".join(value), at + 1


def links_of(headers: Mapping[str, str]) -> list[Link]:
    """The links that apply to the response itself, not to another `anchor`."""
    return [link for link in parse_links(headers.get("Link", "")) if "anchor" not in link.params]


def link_of(headers: Mapping[str, str], rel: str) -> str | None:
    """The target of the `Link` header with this relation, or None."""
    wanted = rel.lower()
    return next((link.target for link in links_of(headers) if wanted in link.rels), None)


def looks_like_link(text: str) -> bool:
    """Whether a text is an absolute or relative URL rather than a token."""
    if any(character.isspace() for character in text):
        return False
    return text.startswith(("http://", "https://", "/", "?", "./", "../")) or (
        "?" in text and "=" in text
    )
