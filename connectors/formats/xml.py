"""XML to rows, streaming: every element at one path is a row. Entities and DTDs are rejected."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from lxml import etree
from pydantic import Field

from connectors.formats import base
from connectors.formats.texts import signatures
from connectors.formats.texts.encodings import detect, marked
from connectors.formats.xmlnames import NameClashError, Names, Survey, forget, local
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
from connectors.sdk.bodies.charsets import known_codec

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_HEAD = 64 * 1024
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']{1,40})["']""")
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
        [], description="Element names that always become a list, even for one element"
    )
    prefixes: bool = Field(False, description="Keep namespace prefixes in field names: gml:id")


class XmlReader(base.FormatReader):
    """Reads an XML document of any size.

    `records` is the path of the row elements from the root, without namespaces:
    ``catalog/book``. Empty: what an earlier read found, or else `Survey.rows`. Attributes become
    ``@name``, text next to attributes or children ``#text``, a repeated child a list, an element
    with neither attributes nor children its text. Namespaces are omitted from names unless two
    names would become one. `encoding` is declared by the transport (RFC 7303, section 3); it
    takes precedence over the document's declaration, and a byte order mark over both.
    """

    def __init__(
        self, records: str = "", options: XmlOptions | None = None, encoding: str | None = None
    ) -> None:
        super().__init__()
        path = records.strip().strip("/")
        self.records = path if "/" in path else path.replace(".", "/")
        self.options = options or XmlOptions()
        self._stated = encoding

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        stream = base.rewindable(stream)
        start = stream.tell()
        head = stream.read(_HEAD)
        what = signatures.binary(head) or signatures.other_text(head)
        if what is not None and what[0] != "an XML document":
            raise base.not_this(what, "XML", name)
        encoding = self._encoding(head)
        stream.seek(start)
        survey = Survey(_events(stream, name, encoding))
        known = self.known("records", name)
        path = self.records or (str(known) if known is not None else survey.rows(name))
        if not self.records:
            self.settle("records", path, name)
        names = Names(self._clashes(survey, name), prefixes=self.options.prefixes)
        stream.seek(start)
        self.facts["records"] = path
        items = self._items(_events(stream, name, encoding), path, names, name)
        return self._batches(items, batch_size, name)

    def _batches(self, items: Iterator[Row | RowProblem], size: int, name: str) -> Generator[Batch]:
        first = True
        for batch in base.in_batches(items, size):
            if first:
                self.settle_fields(batch, name)
            first = False
            yield batch

    def _encoding(self, head: bytes) -> str | None:
        """The encoding to use, if the document's own declaration is not to be followed."""
        self.facts = {}
        if (mark := marked(head)) is not None:
            return None if mark.name.startswith("utf-16") else mark.name
        declared = _DECLARED.match(head)
        said = self._stated or (declared.group(1).decode(errors="replace") if declared else "")
        codec = known_codec(said) if said else None
        wide = codec is not None and codec.startswith(("utf-16", "utf-32"))
        if not said or (codec is not None and not (wide and b"\0" not in head)):
            return codec if self._stated else None
        # An unknown name, or a wide encoding that does not match these bytes.
        found = detect(head, complete=len(head) < _HEAD)
        self.facts["encoding"] = f"{found.described()}, although {said} is declared"
        return found.name

    def _clashes(self, survey: Survey, name: str) -> list[str]:
        """Names to distinguish by their prefixes: the same ones in every run."""
        if self.options.prefixes or not survey.elements:
            return []
        known, found = self.known("prefixed", name), survey.clashes
        if isinstance(known, list) and set(found) <= set(map(str, known)):
            return [str(place) for place in known]
        self.settle("prefixed", list[JsonValue](found), name, "xml.prefixes: true")
        return found

    def _items(
        self, events: Iterator[tuple[str, etree._Element]], path: str, names: Names, name: str
    ) -> Iterator[Row | RowProblem]:
        wanted = path.split("/")
        lists = frozenset(self.options.lists)
        here: list[str] = []
        seen: set[str] = set()
        count = size = 0
        for event, element in events:
            if event == "start":
                here.append(local(element.tag))
                if len(here) < len(wanted):
                    seen.add("/".join(here))
                continue
            if len(here) > len(wanted):
                size += len(element.tag) + len(element.text or "") + len(element.tail or "")
                size += sum(len(str(n)) + len(str(v)) for n, v in element.attrib.items())
                if size > self.max_row:  # of a row that is too large nothing is kept
                    forget(element)
            elif here == wanted:
                count += 1
                position = base.at(name, f"{here[-1]} {count} (line {element.sourceline})")
                if size > self.max_row:
                    yield base.problem(position, f"The row {base.too_large(self.max_row)}")
                else:
                    yield _row(element, lists, names, position)
                size = 0
            if len(here) <= len(wanted):
                forget(element)
            here.pop()
        parent = "/".join(wanted[:-1])
        if count == 0 and parent and parent not in seen:
            raise DataError(
                f"There is no element at '{path}'",
                where=name,
                hint="Set records to the path of the row elements, from the root",
            )


def _row(
    element: etree._Element, lists: frozenset[str], names: Names, position: str
) -> Row | RowProblem:
    try:
        value = _value(element, lists, names)
    except NameClashError as error:
        return base.problem(position, str(error))
    data: RowData = value if isinstance(value, dict) else {"#text": value}
    return Row(data, position)


def _events(
    stream: BinaryIO, name: str, encoding: str | None = None
) -> Iterator[tuple[str, etree._Element]]:
    """Start and end of every element. Raises DataError for a DTD before using any of it."""
    checked = False
    with _faults(name):
        for event, element in etree.iterparse(
            stream, events=("start", "end"), encoding=_iconv(encoding), **_HARDENED
        ):
            if not checked:
                checked = True
                if element.getroottree().docinfo.internalDTD is not None:
                    raise DataError(
                        "The XML document has a DTD, which is not allowed",
                        where=name,
                        hint="Entities and DTDs can be used for attacks; remove the DOCTYPE",
                    )
            if isinstance(element.tag, str):
                yield event, element


def _iconv(encoding: str | None) -> str | None:
    """libxml2's name for Python's name of an encoding."""
    return None if encoding is None else encoding.replace("-le", "le").replace("-be", "be")


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except etree.XMLSyntaxError as error:
        raise DataError(
            f"This is not well-formed XML: {redact.shorten(str(error.msg), 160)}", where=name
        ) from None
    except LookupError:
        raise DataError("The encoding of the XML document is not supported", where=name) from None


def _value(element: etree._Element, lists: frozenset[str], names: Names) -> JsonValue:
    if element.get(_NIL) in ("true", "1"):
        return None
    fields: dict[str, JsonValue] = {
        names.attribute(element, str(name)): str(value)
        for name, value in element.attrib.items()
        if name != _NIL
    }
    text = element.text or ""
    for child in element:
        text += child.tail or ""
        name = names.child(element, child)
        value = _value(child, lists, names)
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
