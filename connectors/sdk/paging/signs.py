"""Statements in a response about more rows, from its fields, links and headers.

This does not depend on the vendor: a field counts by the words in its name and its value. The rows
themselves are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connectors.sdk import redact
from connectors.sdk.paging import words
from connectors.sdk.paging.links import PAGE_RELS, link_of, links_of, looks_like_link

HEADER = "header:"
"""Precedes the name of a header in a path: ``header:X-Next-Page``."""

_DEEPEST = 6
_MOST_FIELDS = 2_000
_ADDRESSES = ("href", "url", "uri", "link", "hyperlink", "@id", "@odata.nextLink")
_RELS = ("rel", "relation")
_NOT_SIGNS = frozenset({"errors", "warnings", "included", "facets", "aggregations", "aggs"})


class Kind(StrEnum):
    """The kind of a sign, which determines how to follow it."""

    HEADER_LINK = "header_link"
    LINK = "link"
    TOKEN = "token"  # noqa: S105 - a kind of sign, no secret
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Sign:
    """One statement in a response: its `path` and `value`."""

    kind: Kind
    path: str
    value: Any

    @property
    def text(self) -> str:
        """For a message: ``meta.has_more is true``."""
        place = self.path
        if place.startswith(HEADER):
            place = f"the header {place.removeprefix(HEADER)}"
        value = self.value
        shown = json.dumps(value, default=str)
        return f"{place} is {redact.shorten(shown, 80)}"


@dataclass(slots=True)
class Look:
    """The signs in one response: that there is more, and that this is the end."""

    more: list[Sign] = field(default_factory=list)
    ends: list[Sign] = field(default_factory=list)

    @property
    def flags(self) -> list[Sign]:
        """Flags that indicate more rows."""
        return [sign for sign in self.more if sign.kind is Kind.FLAG]

    @property
    def in_body(self) -> bool:
        """The body itself indicates the end, not only the headers."""
        return any(not sign.path.startswith(HEADER) for sign in self.ends)

    @property
    def is_last(self) -> bool:
        """A flag indicates the end; it outweighs a token."""
        return not self.flags and any(
            sign.kind is Kind.FLAG
            and words.is_strict_end(words.words(sign.path.rpartition(".")[2]))
            for sign in self.ends
        )


def look(document: Any, headers: Mapping[str, str], records: str | None) -> Look:
    """Everything that indicates more rows, or none, outside the list at `records`."""
    found = Look()
    _look_at_headers(headers, found)
    for path, key, value in fields_of(document, records):
        _look_at_field(path, words.words(key), value, found)
    _look_at_relations(document, records, found)
    return found


def fields_of(document: Any, records: str | None) -> Iterator[tuple[str, str, Any]]:
    """Path, name and value of every field about the response, outermost first.

    Excluded are the rows at `records`, other lists, and what is below a field whose name leads
    to the next page (the field itself is included with its content).
    """
    level: list[tuple[str, Any]] = [("", document)] if records != "." else []
    left = _MOST_FIELDS
    for _ in range(_DEEPEST):
        below: list[tuple[str, Any]] = []
        for path, node in level:
            if not isinstance(node, dict):
                continue
            for key, value in node.items():
                here = f"{path}.{key}" if path else key
                if here == records or key in _NOT_SIGNS:
                    continue
                left -= 1
                if left < 0:
                    return
                yield here, key, value
                name = words.words(key)
                if isinstance(value, dict) and not (words.is_next(name) or words.is_token(name)):
                    below.append((here, value))
        level = below


def _look_at_field(path: str, name: tuple[str, ...], value: Any, found: Look) -> None:
    if words.is_done(name):
        if (said := words.truth(value)) is not None:
            _flag(path, value, not said, found)
        return
    if words.is_cut(name):
        if isinstance(value, (bool, str)) and (said := words.truth(value)) is not None:
            _flag(path, value, said, found)
        return
    if words.is_more(name) and (said := words.truth(value)) is not None:
        _flag(path, value, said, found)
        return
    if words.is_next(name) or words.is_more(name):
        _leads_on(path, name, value, found)
    elif words.is_token(name) or (
        name in (("after",), ("offset",)) and isinstance(value, str) and not value.isdecimal()
    ):
        _token(path, name, value, found)


def _flag(path: str, value: Any, more: bool, found: Look) -> None:
    (found.more if more else found.ends).append(Sign(Kind.FLAG, path, value))


def _leads_on(path: str, name: tuple[str, ...], value: Any, found: Look) -> None:
    """A field called *next*: a URL, a token, a flag, or one of these nested."""
    if isinstance(value, bool) and value:
        found.more.append(Sign(Kind.FLAG, path, value))
    elif words.is_nothing(value):
        found.ends.append(Sign(Kind.TOKEN, path, value))
    elif isinstance(value, dict):
        _within(path, value, found)
    elif isinstance(value, str) and not words.is_moment(value):
        is_link = looks_like_link(value) or not {"link", "url", "uri", "href"}.isdisjoint(name)
        found.more.append(Sign(Kind.LINK if is_link else Kind.TOKEN, path, value))
    elif (isinstance(value, int) and value > 0) or (
        isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)
    ):
        found.more.append(Sign(Kind.TOKEN, path, value))


def _within(path: str, node: dict[str, Any], found: Look) -> None:
    address = next((name for name in _ADDRESSES if name in node), None)
    if address is not None:
        link = node[address]
        if words.is_nothing(link):
            found.ends.append(Sign(Kind.LINK, f"{path}.{address}", link))
        else:
            found.more.append(Sign(Kind.LINK, f"{path}.{address}", link))
        return
    values = [(name, value) for name, value in node.items() if not isinstance(value, (dict, list))]
    if values and all(words.is_nothing(value) for _, value in values):
        found.ends.append(Sign(Kind.TOKEN, path, None))
        return
    for name, value in values:
        if isinstance(value, (str, int)) and not words.is_nothing(value) and value != 0:
            is_link = isinstance(value, str) and looks_like_link(value)
            kind = Kind.LINK if is_link else Kind.TOKEN
            if not isinstance(value, bool) and not words.is_moment(value):
                found.more.append(Sign(kind, f"{path}.{name}", value))
    for name, value in node.items():
        if isinstance(value, dict):
            _within(f"{path}.{name}", value, found)


def _token(path: str, name: tuple[str, ...], value: Any, found: Look) -> None:
    """A field called *token* or *cursor*; below *cursors*, only the following one counts."""
    if isinstance(value, dict):
        for inner, token in value.items():
            if inner.lower() in ("after", "next"):
                _leads_on(f"{path}.{inner}", ("next",), token, found)
        return
    if words.is_nothing(value):
        # a bare `cursor: null` may be the token of the current page
        if "end" in name or not {"continuation", "continuationtoken", "resumption"}.isdisjoint(
            name
        ):
            found.ends.append(Sign(Kind.TOKEN, path, value))
    elif isinstance(value, (str, int)) and not (
        isinstance(value, bool) or value == 0 or words.is_moment(value)
    ):
        is_link = isinstance(value, str) and looks_like_link(value)
        found.more.append(Sign(Kind.LINK if is_link else Kind.TOKEN, path, value))


def _look_at_relations(document: Any, records: str | None, found: Look) -> None:
    """Links with a relation: ``links: [{rel: next, href: …}]``, at any depth."""
    for path, node, rels in _relations(document, records):
        if not any(words.is_next(words.words(rel)) for rel in rels):
            continue
        _within(path, {k: v for k, v in node.items() if k not in _RELS}, found)
    rels_seen = {rel for _, _, rels in _relations(document, records) for rel in rels}
    if not found.more and not found.ends and rels_seen & (PAGE_RELS - {"next"}):
        found.ends.append(Sign(Kind.LINK, "the link with rel next", None))
    for path, key, value in fields_of(document, records):
        if key in ("links", "_links") and isinstance(value, dict):
            names = set(value)
            if names & (PAGE_RELS - {"next"}) and not any(
                words.is_next(words.words(name)) for name in names
            ):
                found.ends.append(Sign(Kind.LINK, f"{path}.next", None))


def _relations(
    document: Any, records: str | None
) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Every object with a relation outside the rows: its path, the object, its relations."""
    whole: list[tuple[str, Any]] = [("", document)] if records != "." else []
    level = whole
    left = _MOST_FIELDS
    for _ in range(_DEEPEST):
        below: list[tuple[str, Any]] = []
        for path, node in level:
            left -= 1
            if left < 0:
                return
            if isinstance(node, list):
                for item in node[:50]:
                    if isinstance(item, dict) and (rels := _rels_of(item)):
                        name = next(name for name in _RELS if name in item)
                        yield f"{path}.{name}={rels[0]}", item, rels
            elif isinstance(node, dict):
                if path and (rels := _rels_of(node)):
                    yield path, node, rels
                below += [
                    (f"{path}.{key}" if path else key, value)
                    for key, value in node.items()
                    if isinstance(value, (dict, list))
                    and (f"{path}.{key}" if path else key) != records
                ]
        level = below


def _rels_of(item: dict[str, Any]) -> list[str]:
    for name in _RELS:
        rel = item.get(name)
        if isinstance(rel, str):
            return rel.lower().split() or [""]
        if isinstance(rel, list):
            return [str(one).lower() for one in rel]
    return []


_SILENT_HEADERS = frozenset({"link", "set-cookie", "location", "content-location", "etag"})


def _look_at_headers(headers: Mapping[str, str], found: Look) -> None:
    link = link_of(headers, "next")
    if link is not None:
        found.more.append(Sign(Kind.HEADER_LINK, "header:Link", link))
    elif any(PAGE_RELS & set(one.rels) for one in links_of(headers)):
        found.ends.append(Sign(Kind.HEADER_LINK, "header:Link", None))
    for header, value in headers.items():
        if header.lower() in _SILENT_HEADERS:
            continue
        name = words.words(header)
        path = HEADER + header
        is_flag = words.is_more(name) or words.is_cut(name)
        if is_flag and (said := words.truth(value)) is not None:
            _flag(path, value, said, found)
        elif words.is_next(name) or (
            words.is_token(name) and {"continuation", "cursor", "resumption"} & set(name)
        ):
            _leads_on(path, name, value, found)
