"""What every format has in common: a reader turns one binary stream into batches of rows."""

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
    Row,
    RowBatch,
    RowDecodeError,
    RowProblem,
    Stage,
    canonical,
    redact,
)

BATCH_SIZE = 5000

_FIRST_ROWS = 100
_MOST_NAMES = 500
_LONGEST_NAME = 200
_SPOOL_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 1024 * 1024


class FormatReader(ABC):
    """Reads one format. An instance may read several streams, one after the other.

    `facts` says what was found out about the stream that is being read (encoding, delimiter,
    sheet); it is complete once the first batch has been handed out. `findings` is what earlier
    reads of the source found out, and `key` the fields that tell its rows apart, if both are known.
    """

    def __init__(self) -> None:
        self.facts: dict[str, JsonValue] = {}
        self.findings = Findings()
        self.key: Sequence[str] = ()

    def told(self, context: Context) -> Self:
        """The reader itself, once it knows what its host knows of the source."""
        self.findings, self.key = context.findings, context.key
        return self

    def known(self, name: str, document: str = "") -> JsonValue:
        """What was found under that name before, in this document or else in any."""
        own = self.findings.get(_own(name, document))
        return self.findings.get(name) if own is None else own

    def settle(self, name: str, value: JsonValue, document: str = "", setting: str = "") -> None:
        """Keep what was found out. Raises DataError when an earlier read found something else.

        Where the documents of the very first read differ among themselves, each keeps its own.
        """
        own, new = _own(name, document), self.findings.new
        differs = name in new and new[name] != value
        if document and (differs or self.findings.get(own) is not None):
            name = own
        self.findings.settle(name, value, where=document, setting=setting)

    def settle_columns(self, names: Sequence[str], where: str) -> None:
        """Refuse a table that is not the one that earlier reads saw, or that has no key.

        To be called as soon as the names are known, rows or not: an error page under the name of
        a table is a table without rows. Raises DataError.
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
                "the right file; if its columns were renamed, change the mapping",
            )
        if known is None:
            self.findings.settle("columns", [name[:_LONGEST_NAME] for name in names[:_MOST_NAMES]])

    def settle_fields(self, batch: Batch, where: str) -> None:
        """The same for formats without a header: by the fields of the first rows, if any."""
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

        `name` is how positions and errors call it: ``"file x.csv"``; empty for "line 14" alone.
        Memory does not grow with the stream (xls and xlsb workbooks excepted). A row that cannot
        be read is a `RowProblem` of its batch, or a `RowDecodeError` when it is decoded. Raises
        DataError when the stream as a whole is not what it should be; the batches before are not
        the whole then.
        """

    def rows(self, stream: BinaryIO, *, name: str = "") -> Iterator[Row | RowProblem]:
        """The same, one row or problem at a time, for callers that need no raw form."""
        for batch in self.batches(stream, name=name):
            yield from decoded(batch)


def _own(name: str, document: str) -> str:
    return f"{name} of {document}"


def decoded(batch: Batch) -> Iterator[Row | RowProblem]:
    """Every row of a batch, then its problems; a row that cannot be decoded is a problem too."""
    for index in range(len(batch)):
        try:
            yield batch.row(index)
        except RowDecodeError as error:
            yield error.problem
    yield from batch.problems


def at(name: str, place: str) -> str:
    """A position for people: ``"file x.csv, line 14"``."""
    return f"{name}, {place}" if name else place


def problem(
    position: str, message: str, raw: JsonValue = None, path: str = "", key: str | None = None
) -> RowProblem:
    """A row that could not be read; `key` where it is certain whose row it is."""
    return RowProblem(position, Stage.READ, (FieldError(path, message),), raw, key)


def not_this(what: tuple[str, str], expected: str, where: str) -> DataError:
    """The error for a file that is something else; `what` is its name and what to do about it."""
    name, hint = what
    return DataError(f"This is {name}, not {expected}", where=where, hint=hint)


def listing(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: ``'a', 'b' and 3 more``; "nothing" when there are none."""
    shown = ", ".join(f"'{redact.shorten(name, 60)}'" for name in names[:most])
    if len(names) > most:
        shown += f" and {len(names) - most} more"
    return shown or "nothing"


def kind(item: JsonValue) -> str:
    """What a JSON value is, for a message: "an array", "text"."""
    if item is None:
        return "null"
    kinds = {dict: "an object", list: "an array", str: "text", bool: "a boolean"}
    return kinds.get(type(item), "a number")


def column_names(cells: Sequence[str], where: str) -> tuple[str, ...]:
    """Field names of header cells; a blank one is called by its place: ``column_3``.

    Raises DataError when two columns have the same name: one of them would be lost.
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
    """A batch's `layout`: eight bytes for what a raw row means beside its own bytes."""
    return xxhash.xxh3_64_digest(canonical.dumps(parts))


def in_batches(items: Iterable[Row | RowProblem], size: int) -> Generator[RowBatch]:
    """Gather decoded rows and problems into batches of `size` rows and problems together."""
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
    """`stream` itself when it can seek, else a copy that can (on disk when it is large)."""
    if stream.seekable():
        return stream
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115 (handed out)
    while chunk := stream.read(_CHUNK):
        copy.write(chunk)
    copy.seek(0)
    return copy  # type: ignore[return-value]  # a SpooledTemporaryFile has BinaryIO's methods
