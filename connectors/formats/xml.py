"""XML to rows, streaming: every element at one path is a row. Entities and DTDs are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from lxml import etree
from pydantic import Field

from connectors.formats import base
from connectors.sdk import (
    Batch,
    ConfigModel,
    DataError,
    JsonValue,
    Row,
    RowData,
    RowProblem,
    redact,
)

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_SAMPLE_ELEMENTS = 20_000
_HARDENED: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,  # at most 256 levels and 10 MB of text in one place
    "remove_comments": True,
    "remove_pis": True,
}


class XmlOptions(ConfigModel):
    """How elements become fields."""

    lists: list[str] = Field(
        [], description="Element names that are always a list, even where there is only one"
    )


class XmlReader(base.FormatReader):
    """Reads an XML document whatever its size.

    `records` is the path of the row elements from the root, without namespaces:
    ``catalog/book``. Empty: the outermost element that is repeated. Attributes become ``@name``,
    text beside attributes or children ``#text``, a repeated child a list, an element with
    neither attributes nor children its text.
    """

    def __init__(self, records: str = "", options: XmlOptions | None = None) -> None:
        super().__init__()
        path = records.strip().strip("/")
        self.records = path if "/" in path else path.replace(".", "/")
        self.options = options or XmlOptions()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        stream = base.rewindable(stream)
        start = stream.tell()
        path = self.records or _find(stream, name)
        stream.seek(start)
        self.facts = {"records": path}
        return base.in_batches(self._items(stream, path, name), batch_size)

    def _items(self, stream: BinaryIO, path: str, name: str) -> Iterator[Row | RowProblem]:
        wanted = path.split("/")
        lists = frozenset(self.options.lists)
        here: list[str] = []
        seen: set[str] = set()
        count = 0
        for event, element in _events(stream, name):
            if event == "start":
                here.append(_local(element.tag))
                if len(here) < len(wanted):
                    seen.add("/".join(here))
                continue
            if here == wanted:
                count += 1
                position = base.at(name, f"{here[-1]} {count} (line {element.sourceline})")
                value = _value(element, lists)
                data: RowData = value if isinstance(value, dict) else {"#text": value}
                yield Row(data, position)
            if len(here) <= len(wanted):
                _forget(element)
            here.pop()
        parent = "/".join(wanted[:-1])
        if count == 0 and parent and parent not in seen:
            raise DataError(
                f"There is no element at '{path}'",
                where=name,
                hint="Set records to the path of the row elements, from the root",
            )


def _events(stream: BinaryIO, name: str) -> Iterator[tuple[str, etree._Element]]:
    """Start and end of every element. Raises DataError for a DTD before anything of it is used."""
    checked = False
    with _faults(name):
        for event, element in etree.iterparse(stream, events=("start", "end"), **_HARDENED):
            if not checked:
                checked = True
                if element.getroottree().docinfo.internalDTD is not None:
                    raise DataError(
                        "The XML document has a DTD, which is refused",
                        where=name,
                        hint="Entities and DTDs are a way to attack a reader; remove the DOCTYPE",
                    )
            if isinstance(element.tag, str):
                yield event, element


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except etree.XMLSyntaxError as error:
        raise DataError(
            f"This is not well-formed XML: {redact.shorten(str(error.msg), 160)}", where=name
        ) from None


def _find(stream: BinaryIO, name: str) -> str:
    """The outermost path that occurs several times within one parent; else the root's child."""
    here: list[str] = []
    siblings: list[Counter[str]] = [Counter()]
    repeated: Counter[str] = Counter()
    only: set[str] = set()
    elements = 0
    for event, element in _events(stream, name):
        if event == "start":
            elements += 1
            tag = _local(element.tag)
            siblings[-1][tag] += 1
            here.append(tag)
            siblings.append(Counter())
            path = "/".join(here)
            if siblings[-2][tag] > 1:
                repeated[path] += 1
            if len(here) == 2:
                only.add(path)
            if elements >= _SAMPLE_ELEMENTS and repeated:
                break
        else:
            here.pop()
            siblings.pop()
            _forget(element)
    if repeated:
        return min(repeated, key=lambda path: (path.count("/"), -repeated[path]))
    if len(only) == 1:
        return only.pop()
    raise DataError(
        "The document has no repeated element",
        where=name,
        hint="Set records to the path of the row elements, from the root, such as catalog/book",
    )


def _forget(element: etree._Element) -> None:
    """Free an element that is done with, and what was left of those before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while (before := element.getprevious()) is not None:
            parent.remove(before)


def _local(tag: str | bytes) -> str:
    return str(tag).rpartition("}")[2]


def _value(element: etree._Element, lists: frozenset[str]) -> JsonValue:
    if element.get(_NIL) in ("true", "1"):
        return None
    fields: dict[str, JsonValue] = {
        f"@{_local(name)}": str(value) for name, value in element.attrib.items() if name != _NIL
    }
    text = element.text or ""
    for child in element:
        text += child.tail or ""
        name = _local(child.tag)
        value = _value(child, lists)
        present = fields.get(name)
        if isinstance(present, list):
            present.append(value)
        elif name in fields:
            fields[name] = [present, value]
        else:
            fields[name] = [value] if name in lists else value
    if not fields:
        return text
    if text.strip():
        fields["#text"] = text.strip()
    return fields
