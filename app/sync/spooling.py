"""Rows that are read once and used twice: kept on disk between the plan and the run."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from connectors.sdk.rows import Batch, Row, RowDecodeError, RowProblem


@dataclass(slots=True, kw_only=True)
class _SpooledBatch(Batch):
    """A batch as it was read; a row that could not be decoded is its problem still."""

    rows: Sequence[Row | RowProblem]
    forms: Sequence[bytes]
    cut: Mapping[tuple[str, ...], list[str | None] | None]
    """The keys by their paths, as far as the source told them without decoding a row."""

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        found = self.rows[index]
        if isinstance(found, RowProblem):
            raise RowDecodeError(found)
        return found

    def raw(self) -> Sequence[bytes]:
        return self.forms

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        return self.cut.get(tuple(paths))


class Spool:
    """Batches in a file without a name, of which one is in memory at a time.

    A context manager; leaving it gives the disk space back.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (closed by __exit__)
            prefix="openregister-plan-"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def keep(
        self, batches: Iterator[Batch], key_paths: Collection[Sequence[str]]
    ) -> Generator[Batch]:
        """Hand the batches on, each written down before; `key_paths` are those of every target."""
        try:
            for batch in batches:
                pickle.dump(_spooled(batch, key_paths), self._file, pickle.HIGHEST_PROTOCOL)
                yield batch
        finally:
            if isinstance(batches, Generator):
                batches.close()

    def again(self) -> Iterator[Batch]:
        """The same batches once more, equal to those of the source byte for byte."""
        self._file.flush()
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            batch: Batch = pickle.load(self._file)  # noqa: S301  # we wrote it; nobody else can
            yield batch


def _spooled(batch: Batch, key_paths: Collection[Sequence[str]]) -> _SpooledBatch:
    return _SpooledBatch(
        problems=batch.problems,
        cursor=batch.cursor,
        end=batch.end,
        because=batch.because,
        doubt=batch.doubt,
        warnings=batch.warnings,
        total=batch.total,
        layout=batch.layout,
        covered=batch.covered,
        skipped=batch.skipped,
        rows=[_row(batch, index) for index in range(len(batch))],
        forms=[bytes(form) for form in batch.raw()],
        cut={tuple(paths): batch.keys(paths) for paths in key_paths},
    )


def _row(batch: Batch, index: int) -> Row | RowProblem:
    try:
        return batch.row(index)
    except RowDecodeError as error:
        return error.problem
