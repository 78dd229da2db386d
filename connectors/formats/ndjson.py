"""NDJSON (one JSON object per line) to rows; an unchanged line is never parsed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import BinaryIO

from connectors.formats import base
from connectors.formats.text import TextSource
from connectors.sdk import Batch, JsonValue, LineBatch, Row, RowDecodeError, canonical, redact


class NdjsonReader(base.FormatReader):
    """Reads JSON Lines in UTF-8, or in UTF-16 with a byte order mark. Blank lines do not count."""

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        source = TextSource(stream)
        lines: list[bytes] = []
        numbers: list[int] = []
        seen = 0
        for block in source.blocks():
            fresh = [line.strip() for line in source.split(block)]
            lines += fresh
            numbers += range(seen + 1, seen + len(fresh) + 1)
            seen += len(fresh)
            if b"" in fresh:
                kept = [pair for pair in zip(lines, numbers, strict=True) if pair[0]]
                lines, numbers = [line for line, _ in kept], [number for _, number in kept]
            start = 0
            while len(lines) - start >= batch_size:
                end = start + batch_size
                yield _batch(lines[start:end], numbers[start:end], name)
                start = end
            del lines[:start], numbers[:start]
        if lines:
            yield _batch(lines, numbers, name)


def _batch(lines: list[bytes], numbers: Sequence[int], name: str) -> Batch:
    def decode(line: bytes, index: int) -> Row:
        position = base.at(name, f"line {numbers[index]}")
        try:
            data = canonical.parse(line)
        except ValueError as error:
            message = f"This line is not JSON: {redact.shorten(str(error))}"
        else:
            if isinstance(data, dict):
                return Row(data, position)
            message = f"This line holds no JSON object but {base.kind(data)}"
        shown: JsonValue = {"line": redact.shorten(line.decode(errors="replace"))}
        raise RowDecodeError(base.problem(position, message, shown))

    return LineBatch(lines=lines, decode=decode)
