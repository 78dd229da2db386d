"""A row that is larger than allowed: rejected alone, without its size in memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import pytest

from connectors.formats import CsvReader, JsonReader, XmlReader, base
from connectors.formats.base import FormatReader
from connectors.formats.ndjson import NdjsonReader
from connectors.sdk import Row

LIMIT = 2 * 1024 * 1024
LARGE = 40 * 1024 * 1024


class Pieces(io.RawIOBase):
    """A stream of pieces that are made when they are read, so that none of it is in memory."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._make = pieces
        self.seek(0)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self._pieces, self._rest, self._at = self._make(), b"", 0
        while offset > self._at:
            self.read(offset - self._at)
        return self._at

    def read(self, size: int = -1) -> bytes:
        parts, left = [], size if size >= 0 else 1 << 60
        while left > 0:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            part, self._rest = self._rest[:left], self._rest[left:]
            parts.append(part)
            left -= len(part)
        found = b"".join(parts)
        self._at += len(found)
        return found


def _text(before: bytes, filler: bytes, after: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield before
        chunk = filler * (65536 // len(filler))
        for _ in range(LARGE // len(chunk)):
            yield chunk
        yield after

    return pieces


CASES: dict[str, tuple[Callable[[], FormatReader], Callable[[], Iterator[bytes]], str]] = {
    "NDJSON": (
        NdjsonReader,
        _text(b'{"id": 1}\n{"id": 2, "a": "', b"x", b'"}\n{"id": 3}\n'),
        "line 2",
    ),
    "NDJSON at the end": (
        NdjsonReader,
        _text(b'{"id": 1}\n{"id": 3}\n{"id": 2, "a": "', b"x", b'"}'),
        "line 3",
    ),
    "CSV": (CsvReader, _text(b"id,a\n1,x\n2,", b"y", b"\n3,x\n"), "line 3"),
    "CSV in quotes": (CsvReader, _text(b'id,a\n1,x\n2,"', b"y, ", b'"\n3,x\n'), "line 3"),
    "a list": (
        JsonReader,
        _text(b'[{"id": 1}, {"id": 2, "a": "', b"x", b'"}, {"id": 3}]'),
        "item 2",
    ),
    "a list, brackets and escapes within a text": (
        JsonReader,
        _text(b'[{"id": 1}, {"id": 2, "a": "', b'\\"]}[{\\\\', b'"}, {"id": 3}]'),
        "item 2",
    ),
    "a list, an item of many items": (
        JsonReader,
        _text(
            b'[{"id": 1}, {"id": 2, "a": [0', b',{"b": ["' + b"x" * 8000 + b'"]}', b']}, {"id": 3}]'
        ),
        "item 2",
    ),
    "a list beside the rows": (
        lambda: JsonReader("rows"),
        _text(b'{"other": ["', b"x", b'"], "rows": [{"id": 1}, {"id": 3}]}'),
        "",
    ),
    "XML": (
        lambda: XmlReader("r/i"),
        _text(
            b"<r><i><id>1</id></i><i><id>2</id>",
            b"<a>" + b"x" * 8000 + b"</a>",
            b"</i><i><id>3</id></i></r>",
        ),
        "i 2",
    ),
}


@pytest.mark.promise("one huge row ends the run or takes all memory")
@pytest.mark.parametrize("case", CASES)
def test_a_row_that_is_too_large_is_rejected_alone(case: str) -> None:
    make, pieces, place = CASES[case]
    reader = make()
    reader.max_row = LIMIT
    reader.key = ("id",)
    tracemalloc.start()
    try:
        stream = cast(BinaryIO, Pieces(pieces))
        items = [item for batch in reader.batches(stream) for item in base.decoded(batch)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [str(item.data["id"]) for item in items if isinstance(item, Row)] == ["1", "3"]
    said = [(item.position, item.errors[0].message) for item in items if not isinstance(item, Row)]
    assert [(position[: len(place)]) for position, _ in said] == ([place] if place else [])
    assert all("more than 2 MiB, which source.max_row allows" in message for _, message in said)
    assert peak < LARGE / 2


@pytest.mark.promise("one huge row ends the run or takes all memory")
def test_many_rows_of_a_megabyte_are_not_one_batch() -> None:
    row = b'{"id": 1, "a": "' + b"x" * 1024 * 1024 + b'"}\n'
    sizes = [len(batch) for batch in NdjsonReader().batches(io.BytesIO(row * 200), batch_size=5000)]
    assert sum(sizes) == 200
    assert max(sizes) < 80
