"""The base of all formats: a reader turns one binary stream into batches of rows."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import BinaryIO, Self

import xxhash

from connectors.sdk import (
    Batch,
    Context,
    DataError,
    FieldError,
    Findings,
    JsonValue,
    Limits,
    Row,
    RowBatch,
    RowDecodeError,
    RowProblem,
    Stage,
    canonical,
    redact,
)

BATCH_SIZE = 5000
LARGEST_BATCH = 64 * 1024 * 1024
"""Bytes of text from which on a batch is full, however few its rows."""

_FIRST_ROWS = 100
_MOST_NAMES = 500
_LONGEST_NAME = 200
_SPOOL_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 1024 * 1024


class FormatReader(ABC):
    """Reads one format. An instance may read several streams, one after the other.

    `facts` describes the current stream (encoding, delimiter, sheet); it is complete once the
    first batch was yielded. `findings` is what earlier reads of the source found, and `key` the
    fields that identify its rows, if known.
    """

    def __init__(self) -> None:
        self.facts: dict[str, JsonValue] = {}
        self.findings = Findings()
        self.key: Sequence[str] = ()
        self.max_row = Limits().max_row

    def told(self, context: Context) -> Self:
        """The reader itself, with what its host knows about the source."""
        self.findings, self.key = context.findings, context.key
        self.max_row = context.limits.max_row
        return self

    def known(self, name: str, document: str = "") -> JsonValue:
        """What an earlier read found under that name, in this document or else in any."""
        own = self.findings.get(_own(name, document))
        return self.findings.get(name) if own is None else own

    def settle(self, name: str, value: JsonValue, document: str = "", setting: str = "") -> None:
        """Store a finding. Raises DataError if an earlier read found something else.

        If the documents of the very first read differ, each keeps its own.
        """
        own, new = _own(name, document), self.findings.new
        differs = name in new and new[name] != value
        if document and (differs or self.findings.get(own) is not None):
            name = own
        self.findings.settle(name, value, where=document, setting=setting)

    def settle_columns(self, names: Sequence[str], where: str) -> None:
        """Reject a table that differs from the one earlier reads saw, or that lacks the key.

        Call it as soon as the names are known, even without rows: an error page saved under the
        name of a table is a table without rows. Raises DataError.
        """
        lacking = [field for field in self.key if field not in names]
        known = self.findings.get("columns")
        strange = isinstance(known, list) and known and not set(names) & set(map(str, known))
        if lacking or strange:
            what = (
                f"The table has no column {listing(lacking)}, which is part of the key"
                if lacking
                else "The table has none of the columns that earlier runs read"
            )
            raise DataError(
                what,
                where=where,
                hint=f"Its columns are {listing(names)}. Nothing was deleted. Check that this is "
                "the right file. If its columns were renamed, change the mapping",
            )
        if known is None:
            self.findings.settle("columns", [name[:_LONGEST_NAME] for name in names[:_MOST_NAMES]])

    def settle_fields(self, batch: Batch, where: str) -> None:
        """The same for formats without a header, using the fields of the first rows, if any."""
        names: dict[str, None] = {}
        for index in range(len(batch)):
            if index >= _FIRST_ROWS and all(field in names for field in self.key):
                break
            try:
                names.update(dict.fromkeys(batch.row(index).data))
            except RowDecodeError:
                continue
        if names:
            self.settle_columns(list(names), where)

    @abstractmethod
    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = BATCH_SIZE
    ) -> Generator[Batch]:
        """Yield the rows of `stream`, which the caller closes, as batches without cursor or end.

        `name` is used in positions and errors: ``"file x.csv"``; empty for "line 14" alone. Memory
        use does not grow with the stream (except for xls and xlsb workbooks). An unreadable row is
        a `RowProblem` of its batch, or a `RowDecodeError` when it is decoded. Raises DataError if
        the whole stream is invalid; the batches yielded before are then incomplete.
        """

    def rows(self, stream: BinaryIO, *, name: str = "") -> Iterator[Row | RowProblem]:
        """The same, one row or problem at a time, for callers that do not need the raw form."""
        for batch in self.batches(stream, name=name):
            yield from decoded(batch)


def _own(name: str, document: str) -> str:
    return f"{name} of {document}"


def decoded(batch: Batch) -> Iterator[Row | RowProblem]:
    """Every row of a batch, then its problems, including rows that cannot be decoded."""
    for index in range(len(batch)):
        try:
            yield batch.row(index)
        except RowDecodeError as error:
            yield error.problem
    yield from batch.problems


def at(name: str, place: str) -> str:
    """A position for messages: ``"file x.csv, line 14"``."""
    return f"{name}, {place}" if name else place


def problem(
    position: str, message: str, raw: JsonValue = None, path: str = "", key: str | None = None
) -> RowProblem:
    """A row that could not be read; `key` if it is certain which row it is."""
    return RowProblem(position, Stage.READ, (FieldError(path, message),), raw, key)


def too_large(limit: int) -> str:
    """What is wrong with a row of more than `limit` bytes."""
    return f"has more than {limit / 2**20:.4g} MiB, which source.max_row allows for one row"


def not_this(what: tuple[str, str], expected: str, where: str) -> DataError:
    """The error for a file of another format; `what` is its name and how to fix it."""
    name, hint = what
    return DataError(f"This is {name}, not {expected}", where=where, hint=hint)


def listing(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: ``'a', 'b' and 3 more``; "nothing" if there are none."""
    shown = ", ".join(f"'{redact.shorten(name, 60)}'" for name in names[:most])
    if len(names) > most:
        shown += f" and {len(names) - most} more"
    return shown or "nothing"


def kind(item: JsonValue) -> str:
    """The type of a JSON value for a message: "an array", "text"."""
    if item is None:
        return "null"
    kinds = {dict: "an object", list: "an array", str: "text", bool: "a boolean"}
    return kinds.get(type(item), "a number")


def column_names(cells: Sequence[str], where: str) -> tuple[str, ...]:
    """Field names of header cells; a blank one is named by its position: ``column_3``.

    Raises DataError if two columns have the same name, as one of them would be lost.
    """
    names = tuple(cell or f"column_{number}" for number, cell in enumerate(cells, 1))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"Several columns have the same name: {listing(twice)}",
            where=where,
            hint="Rename them in the file, or check that this is the header row",
        )
    return names


def fingerprint(parts: list[JsonValue]) -> bytes:
    """A batch's `layout`: eight bytes for what a raw row depends on besides its own bytes."""
    return xxhash.xxh3_64_digest(canonical.dumps(parts))


def in_batches(items: Iterable[Row | RowProblem], size: int) -> Generator[RowBatch]:
    """Collect decoded rows and problems into batches of `size`, counting both."""
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for item in items:
        if isinstance(item, Row):
            rows.append(item)
        else:
            problems.append(item)
        if len(rows) + len(problems) >= size:
            yield RowBatch(rows=rows, problems=problems)
            rows, problems = [], []
    if rows or problems:
        yield RowBatch(rows=rows, problems=problems)


def rewindable(stream: BinaryIO) -> BinaryIO:
    """`stream` itself if it is seekable, else a copy that is (on disk if it is large)."""
    if stream.seekable():
        return stream
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115 (handed out)
    while chunk := stream.read(_CHUNK):
        copy.write(chunk)
    copy.seek(0)
    return copy  # type: ignore[return-value]  # a SpooledTemporaryFile has BinaryIO's methods
