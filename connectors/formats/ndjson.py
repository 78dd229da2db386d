"""NDJSON (one JSON object per line) to rows; an unchanged line is never parsed."""

from __future__ import annotations

from collections.abc import Generator
from typing import BinaryIO

from connectors.formats import base, jsonrows
from connectors.formats.texts import signatures
from connectors.formats.texts.source import TextSource
from connectors.sdk import Batch


class NdjsonReader(base.FormatReader):
    """Reads JSON Lines in UTF-8, or in UTF-16 with a byte order mark. Blank lines are ignored."""

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        # RFC 8259, section 8.1; a byte order mark wins
        source = TextSource(stream, "utf-8", longest=self.max_row)
        head = source.sample[:4096]
        what = signatures.wide_text(head) or signatures.other_text(head)
        if what is not None and what[0] != "JSON":
            raise base.not_this(what, "one JSON object per line in UTF-8", name)
        lines: list[bytes] = []
        numbers: list[int] = []
        seen = 0
        first, held = True, 0
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
                yield self._batch(lines[start:end], numbers[start:end], name, first=first)
                start, first, held = end, False, 0
            del lines[:start], numbers[:start]
            held += len(block)
            if held > base.LARGEST_BATCH and lines:
                yield self._batch(lines, numbers, name, first=first)
                lines, numbers, first, held = [], [], False, 0
        if lines:
            yield self._batch(lines, numbers, name, first=first)

    def _batch(self, lines: list[bytes], numbers: list[int], name: str, *, first: bool) -> Batch:
        batch = jsonrows.batch(
            lines, numbers, name=name, noun="line", key=self.key, max_row=self.max_row
        )
        if first:
            self.settle_fields(batch, name)
        return batch
