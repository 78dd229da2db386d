"""One JSON document to rows, streaming: the rows are the objects of one of its arrays."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import ijson  # type: ignore[import-untyped]  # it ships without type information

from connectors.formats import base
from connectors.sdk import Batch, DataError, Row, RowProblem, canonical, redact

USUAL_NAMES = ("results", "items", "data", "records", "rows", "value", "features", "entries")
_BOM = b"\xef\xbb\xbf"


class JsonReader(base.FormatReader):
    """Reads a JSON document (UTF-8) whatever its size.

    `records` is the dotted path of the array of rows; empty means: the document itself if it is
    an array, else its one array of objects (or the one with a usual name such as ``results``).
    """

    def __init__(self, records: str = "") -> None:
        super().__init__()
        self.records = records.strip()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        stream = base.rewindable(stream)
        start = stream.tell()
        if stream.read(len(_BOM)) == _BOM:
            start += len(_BOM)
        stream.seek(start)
        with _faults(name):
            path = self.records or _find(stream, name)
        stream.seek(start)
        self.facts = {"records": path or "(the document)"}
        return base.in_batches(_items(stream, path, name), batch_size)


def _items(stream: BinaryIO, path: str, name: str) -> Iterator[Row | RowProblem]:
    """Rows and problems; raises DataError where nothing of that path is an array."""
    prefix = f"{path}.item" if path else "item"
    start = stream.tell()
    count, there = 0, False
    with _faults(name):
        for item in ijson.items(stream, prefix):
            count += 1
            position = base.at(name, f"item {count}")
            if not isinstance(item, dict):
                message = f"This item is no object but {base.kind(item)}"
                yield base.problem(position, message, item if not isinstance(item, list) else None)
                continue
            try:
                yield Row(canonical.value(item), position)
            except ValueError as error:
                yield base.problem(position, str(error))
        if count == 0:
            stream.seek(start)
            there = any(
                event == "start_array" and found == path for found, event, _ in ijson.parse(stream)
            )
    if count == 0 and not there:
        raise DataError(
            f"There is no array at '{path or '(the document)'}'",
            where=name,
            hint="Set records to the dotted path of the array of rows",
        )


def _find(stream: BinaryIO, name: str) -> str:
    """The path of the array of rows, by one pass over the document. Raises DataError."""
    candidates: list[str] = []
    inside: str | None = None
    previous: tuple[str, str] | None = None
    for prefix, event, _ in ijson.parse(stream):
        if inside is None:
            if event == "start_array":
                inside = prefix
                if not prefix:
                    return ""
        elif event == "end_array" and prefix == inside:
            inside = None
        elif previous == (inside, "start_array") and event == "start_map":
            candidates.append(inside)
        previous = (prefix, event)
    usual = [path for path in candidates if path.rpartition(".")[2] in USUAL_NAMES]
    if len(candidates) == 1 or len(usual) == 1:
        return (usual or candidates)[0]
    if candidates:
        raise DataError(
            f"The document has several arrays of objects: {base.listing(candidates)}",
            where=name,
            hint="Set records to the path of the one that holds the rows",
        )
    raise DataError(
        "The document has no array of objects",
        where=name,
        hint="Set records to the path of the rows; for one object per line, format is ndjson",
    )


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError, ValueError, RecursionError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        text = redact.shorten(text.partition("\n")[0], 160)  # what follows is a piece of the data
        if "EOF" in text or "Incomplete" in text:
            raise DataError(f"The JSON document ends too early ({text})", where=name) from None
        hint = "For one object per line, set format: ndjson" if "trailing garbage" in text else ""
        raise DataError(f"This is not one JSON document ({text})", where=name, hint=hint) from None
