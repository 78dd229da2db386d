"""One JSON document to rows, streaming: the rows are the objects in one of its arrays."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import BinaryIO

from connectors.formats import base, jsonrows
from connectors.formats.jsontext import JsonText
from connectors.formats.texts import signatures
from connectors.formats.texts.source import TOO_LONG
from connectors.sdk import Batch, DataError, RowProblem
from connectors.sdk.bodies.records import find_rows

_BOM = b"\xef\xbb\xbf"
_HEAD = 4096


class JsonReader(base.FormatReader):
    """Reads a JSON document (UTF-8, RFC 8259 section 8.1) of any size.

    `records` is the dotted path of the array of rows; empty: what an earlier read found, or else
    the result of `connectors.sdk.bodies.records.find_rows`.
    """

    def __init__(self, records: str = "") -> None:
        super().__init__()
        self.records = records.strip()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        stream = base.rewindable(stream)
        start = stream.tell()
        head = stream.read(_HEAD)
        _refuse_others(head, name)
        if head.startswith(_BOM):
            start += len(_BOM)
        path = self.records
        if not path:
            stream.seek(start)
            path = self._path(stream, name)
        stream.seek(start)
        self.facts = {"records": path or "(the document)"}
        return self._batches(JsonText(stream, name, self.max_row).items(path), name, batch_size)

    def _path(self, stream: BinaryIO, name: str) -> str:
        known = self.known("records", name)
        if isinstance(known, str):
            return known
        outline = JsonText(stream, name, self.max_row).outline()
        try:
            found = find_rows(outline)
        except DataError as error:
            raise DataError(error.what, where=name, hint=error.hint) from None
        if found is None:
            raise DataError(
                "The document has no array of objects",
                where=name,
                hint="Set records to the path of the rows; for one object per line, format is "
                "ndjson",
            )
        self.settle("records", found, name)
        return found

    def _batches(self, items: Iterator[bytes], name: str, size: int) -> Generator[Batch]:
        texts: list[bytes] = []
        places: list[int] = []
        problems: list[RowProblem] = []
        first, held = True, 0
        for place, item in enumerate(items, 1):
            held += len(item)
            if item.startswith(b"{"):
                texts.append(item)
                places.append(place)
            elif item == TOO_LONG:
                position = base.at(name, f"item {place}")
                problems.append(base.problem(position, f"The item {base.too_large(self.max_row)}"))
            else:
                position = base.at(name, f"item {place}")
                problems.append(jsonrows.not_an_object(item, position, "item"))
            if len(texts) + len(problems) >= size or held > base.LARGEST_BATCH:
                yield self._batch(texts, places, problems, name, first=first)
                texts, places, problems, first, held = [], [], [], False, 0
        if texts or problems:
            yield self._batch(texts, places, problems, name, first=first)

    def _batch(
        self,
        texts: list[bytes],
        places: list[int],
        problems: list[RowProblem],
        name: str,
        *,
        first: bool,
    ) -> Batch:
        batch = jsonrows.batch(
            texts, places, name=name, noun="item", key=self.key, problems=problems
        )
        if first:
            self.settle_fields(batch, name)
        return batch


def _refuse_others(head: bytes, name: str) -> None:
    what = signatures.binary(head) or signatures.wide_text(head)
    if what is None and (text := signatures.other_text(head)) and text[0] != "JSON":
        what = text
    if what is not None:
        raise base.not_this(what, "JSON in UTF-8", name)
