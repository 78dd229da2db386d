"""RSS 2.0 and Atom: from the bytes of a feed to entries of one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from connectors.sdk import DataError, FieldError, JsonValue, Row, RowData, RowProblem, Stage

_ATOM = "{http://www.w3.org/2005/Atom}"
_AUTHOR = "{http://purl.org/dc/elements/1.1}creator"
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed: `items` has a Row for each entry that can be read, else a RowProblem."""

    format: str
    title: str
    items: list[Row | RowProblem]


def parse(body: bytes, where: str) -> Feed:
    """Read a feed. Raises DataError if it is not a feed; one bad entry is a RowProblem."""
    root = _root(body, where)
    channel = root.find("channel")
    if root.tag == "rss" and channel is not None:
        entries = channel.findall("item")
        return Feed("RSS 2.0", _text(channel, "title") or "", list(_items(entries, _rss)))
    if root.tag == f"{_ATOM}feed":
        entries = root.findall(f"{_ATOM}entry")
        return Feed("Atom", _text(root, f"{_ATOM}title") or "", list(_items(entries, _atom)))
    raise DataError(
        f"This is not an RSS 2.0 or Atom feed: its root element is {root.tag}",
        where=where,
        hint="Open the address in a browser; the page may link to its feed",
    )


def _root(body: bytes, where: str) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise DataError(f"This is not well-formed XML: {error.msg}", where=where) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DataError(
            "The feed has a DTD, which is not allowed",
            where=where,
            hint="Entities and DTDs can be used for attacks, and feeds do not need them",
        )
    return root


def _items(
    entries: list[etree._Element], fields: Callable[[etree._Element], RowData]
) -> Iterator[Row | RowProblem]:
    for number, entry in enumerate(entries, 1):
        position = f"entry {number} (line {entry.sourceline})"
        data = fields(entry)
        errors = []
        for name in ("published", "updated"):
            try:
                data[name] = _moment(data[name])
            except ValueError:
                errors.append(FieldError(name, "is not a valid date", data[name]))
        if errors:  # this entry goes to quarantine, the others are not affected
            yield RowProblem(position, Stage.READ, tuple(errors), raw=data)
        else:
            yield Row(data, position)


def _rss(item: etree._Element) -> RowData:
    return {
        "id": _text(item, "guid") or _text(item, "link"),
        "title": _text(item, "title"),
        "link": _text(item, "link"),
        "author": _text(item, "author") or _text(item, _AUTHOR),
        "published": _text(item, "pubDate"),
        "updated": None,
        "summary": _text(item, "description"),
        "content": _text(item, _CONTENT),
        "categories": [str(each.text or "") for each in item.findall("category")],
    }


def _atom(entry: etree._Element) -> RowData:
    links = entry.findall(f"{_ATOM}link")
    pages = [link for link in links if link.get("rel", "alternate") == "alternate"]
    return {
        "id": _text(entry, f"{_ATOM}id"),
        "title": _text(entry, f"{_ATOM}title"),
        "link": pages[0].get("href") if pages else None,
        "author": _text(entry, f"{_ATOM}author/{_ATOM}name"),
        "published": _text(entry, f"{_ATOM}published"),
        "updated": _text(entry, f"{_ATOM}updated"),
        "summary": _text(entry, f"{_ATOM}summary"),
        "content": _text(entry, f"{_ATOM}content"),
        "categories": [each.get("term", "") for each in entry.findall(f"{_ATOM}category")],
    }


def _text(parent: etree._Element, path: str) -> str | None:
    """The text of a child and everything in it; None if there is no such child or no text."""
    child = parent.find(path)
    return None if child is None else "".join(map(str, child.itertext())).strip() or None


def _moment(value: JsonValue) -> str | None:
    """A date of either format as ISO 8601 in UTC. Raises ValueError."""
    if value is None:
        return None
    text = str(value)
    iso = text[:4].isdecimal()
    moment = datetime.fromisoformat(text) if iso else parsedate_to_datetime(text)
    if moment.tzinfo is None:  # RFC 2822: "-0000" is UTC too
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
