"""What flows from a connector: rows in batches, and the rows that could not be read.

Data flow: a connector's `read()` yields `Batch`es. A batch holds rows and, beside them,
their *raw form*: one byte string per row that changes whenever the row does. The pipeline
hashes the raw form, so a row that did not change is never decoded into a Python object.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from connectors.sdk import canonical
from connectors.sdk.columns import Column

JsonValue: TypeAlias = (
    "dict[str, JsonValue] | list[JsonValue] | str | int | float | Decimal | bool | None"
)
"""JSON as Python; `Decimal` stands for a number that a float cannot hold exactly."""

RowData: TypeAlias = "dict[str, JsonValue]"
Cursor: TypeAlias = "dict[str, JsonValue]"
"""Where a connector left off: JSON it wrote itself, opaque to everyone else."""


class Stage(StrEnum):
    """Where in the flow a row failed."""

    READ = "read"
    FILTER = "filter"
    MAP = "map"
    KEY = "key"
    COERCE = "coerce"
    VALIDATE = "validate"


class End(StrEnum):
    """How a read ended. A read without an end proved nothing, so nothing may be deleted."""

    FULL = "full"
    """Every row of the source was handed out, and there is proof of it (`Batch.because`)."""
    INCREMENTAL = "incremental"
    """Every row since the cursor was handed out; absence of a row means nothing."""
    UNCHANGED = "unchanged"
    """The source says nothing moved since the last complete read (HTTP 304, same file)."""
    UNPROVEN = "unproven"
    """All that could be asked for was handed out, but nothing says that it was everything."""


class Proof(StrEnum):
    """The evidence on which a read is called complete."""

    TOTAL = "total"
    """A total, the same over all pages, equals the number of distinct rows."""
    END_MARKER = "end_marker"
    """The source states the end: no more, next null, the last page of so many."""
    LAST_LINK = "last_link"
    """A link or token was followed at least once and is absent on the last page."""
    SHORT_PAGE = "short_page"
    """A page is empty, or shorter than the size that the source was seen to honour."""
    END_OF_DATA = "end_of_data"
    """The format or protocol has an end of its own: a file, the cursor of a database."""
    NOT_MODIFIED = "not_modified"
    """The source answered that nothing has changed (HTTP 304), or the file is the same."""
    STATED = "stated"
    """A person has set that one answer holds everything."""


@dataclass(slots=True)  # not frozen: that would double the cost of making one
class Row:
    """One record of the source.

    `position` is for people: ``"sheet Persons, row 14"``, ``"page 3, item 7"``.
    `deleted` marks a tombstone: the source itself says that this record is gone.
    """

    data: RowData
    position: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `path` is dotted, empty for the row as a whole."""

    path: str
    message: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot become an object: it goes to quarantine and the run goes on.

    As text it says where and why, for messages.
    """

    position: str
    stage: Stage
    errors: tuple[FieldError, ...]
    raw: JsonValue = None
    key: str | None = None

    def __str__(self) -> str:
        said = "; ".join(
            f"{error.path}: {error.message}" if error.path else error.message
            for error in self.errors
        )
        return f"{self.position}: {said}"


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The rows whose `field` is at least `low` and below `high`; None leaves that side open.

    `numeric`: compared as whole numbers, otherwise as text by code point.
    """

    field: str
    low: str | None
    high: str | None
    numeric: bool


@dataclass(slots=True, kw_only=True)
class Batch(ABC):
    """Rows that are written in one transaction, and where the next read may carry on.

    `cursor` is committed with the batch; None leaves the stored cursor as it is.
    `end` is set on the last batch only, with the evidence for it in `because`; an `UNPROVEN` end
    has none, and `doubt` says what was looked for and which setting would prove it. `warnings` may
    stand on any batch; a run shows each once. `total` is an
    estimate of the rows in this whole read, for the progress bar. `layout` is what the meaning of
    the raw form depends on beside its bytes (column names and types); it is mixed into the hashes.

    `covered` and `skipped` may stand on the last batch of a read where the source itself compares
    key ranges: every row within the `covered` ranges was handed out, so a key in them that did not
    come is gone; the `skipped` rows outside them are present and as they were. A full read of such
    a source covers one range without ends, and the cursor of each read is only stored once its
    deletions are done: what is held or in doubt is compared again.
    """

    problems: Sequence[RowProblem] = ()
    cursor: Cursor | None = None
    end: End | None = None
    because: Proof | None = None
    doubt: str = ""
    warnings: Sequence[str] = ()
    total: int | None = None
    layout: bytes = b""
    covered: Sequence[KeyRange] | None = None
    skipped: int = 0

    @abstractmethod
    def __len__(self) -> int:
        """Rows in this batch, problems not counted."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """Decode one row. Raises `RowDecodeError` when that row alone is unreadable."""

    @abstractmethod
    def raw(self) -> Sequence[bytes]:
        """The raw form of every row, in order: equal bytes mean an equal row."""

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        """Canonical keys of all rows without decoding them, or None where that cannot be done.

        `paths` are source paths as in the mapping's `key`. A key that the rows do not have is
        None in the list. Must equal what `connectors.sdk.canonical.key_text` makes of the rows.
        """
        return None

    def columns(
        self, indices: Sequence[int], names: Sequence[str] | None = None
    ) -> dict[str, Column] | None:
        """The rows at `indices` field by field, or None where they cannot be had that way.

        Only the fields called `names` (None: every field); those that the rows do not have are
        left out. None also when one of the rows cannot be decoded or is a tombstone. Must equal
        the canonical JSON of what `row` gives.
        """
        return None

    def __iter__(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self)))


class RowDecodeError(Exception):
    """One row of a raw batch cannot be decoded; carries the problem to be quarantined."""

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True, kw_only=True)
class RowBatch(Batch):
    """A batch of rows that are Python objects already."""

    rows: Sequence[Row] = ()
    _raw: list[bytes] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        return self.rows[index]

    def raw(self) -> Sequence[bytes]:
        if self._raw is None:
            self._raw = [
                b"\x00" + canonical.raw_bytes(row.data)
                if row.deleted
                else canonical.raw_bytes(row.data)
                for row in self.rows
            ]
        return self._raw


@dataclass(slots=True, kw_only=True)
class LineBatch(Batch):
    """A batch kept as raw lines; only rows that changed are ever decoded.

    `decode(line, index)` turns a line into a `Row`, or raises `RowDecodeError`.
    `key_columns` maps a field's name to a function that cuts its key text out of every line; only
    for fields whose text in the line is known to equal `canonical.key_part` of the value.
    `take` gives the columns of some lines, as `columns` does.
    """

    lines: Sequence[bytes]
    decode: Callable[[bytes, int], Row]
    key_columns: Mapping[str, Callable[[Sequence[bytes]], list[str | None]]] = field(
        default_factory=dict
    )
    take: Callable[[Sequence[bytes], Sequence[str] | None], dict[str, Column] | None] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, index: int) -> Row:
        return self.decode(self.lines[index], index)

    def raw(self) -> Sequence[bytes]:
        return self.lines

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        if any(path not in self.key_columns for path in paths):
            return None
        parts = [self.key_columns[path](self.lines) for path in paths]
        if len(parts) == 1:
            return parts[0]
        return [canonical.join_key(part) for part in zip(*parts, strict=True)]

    def columns(
        self, indices: Sequence[int], names: Sequence[str] | None = None
    ) -> dict[str, Column] | None:
        if self.take is None:
            return None
        if isinstance(indices, range):
            lines = self.lines[indices.start : indices.stop : indices.step]
        else:
            lines = [self.lines[index] for index in indices]
        return self.take(lines, names)
