"""The output of a connector: batches of rows, and rows that could not be read.

A connector's `read()` yields `Batch`es. A batch contains rows and their *raw form*: one byte
string per row that changes whenever the row does. The pipeline hashes the raw form, so an
unchanged row is never decoded into a Python object.
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
"""JSON as Python; `Decimal` is a number that a float cannot represent exactly."""

RowData: TypeAlias = "dict[str, JsonValue]"
Cursor: TypeAlias = "dict[str, JsonValue]"
"""Where a connector stopped: its own JSON, opaque to everything else."""


class Stage(StrEnum):
    """The stage at which a row failed."""

    READ = "read"
    FILTER = "filter"
    MAP = "map"
    KEY = "key"
    COERCE = "coerce"
    VALIDATE = "validate"


class End(StrEnum):
    """How a read ended. Without an end nothing is proven, so nothing may be deleted."""

    FULL = "full"
    """Every row of the source was read, with proof (`Batch.because`)."""
    INCREMENTAL = "incremental"
    """Every row since the cursor was read; a missing row means nothing."""
    UNCHANGED = "unchanged"
    """The source reports no change since the last complete read (HTTP 304, same file)."""
    UNPROVEN = "unproven"
    """All available rows were read, but nothing proves that there are no others."""


class Proof(StrEnum):
    """The evidence that a read is complete."""

    TOTAL = "total"
    """A total, the same over all pages, equals the number of distinct rows."""
    END_MARKER = "end_marker"
    """The source states the end: no more, next null, the last of a number of pages."""
    LAST_LINK = "last_link"
    """A link or token was followed at least once and is missing on the last page."""
    SHORT_PAGE = "short_page"
    """A page is empty, or shorter than the page size that the source uses."""
    END_OF_DATA = "end_of_data"
    """The format or protocol has an explicit end: a file, a database cursor."""
    NOT_MODIFIED = "not_modified"
    """The source reports no change (HTTP 304), or the file is the same."""
    STATED = "stated"
    """A user has declared that one response contains everything."""


@dataclass(slots=True)  # not frozen, which would double the cost of creating one
class Row:
    """One record of the source.

    `position` is for display: ``"sheet Persons, row 14"``, ``"page 3, item 7"``.
    `deleted` marks a tombstone: the source reports that this record was deleted.
    """

    data: RowData
    position: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field; `path` is dotted, empty for the row as a whole."""

    path: str
    message: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot become an object: it is quarantined and the run continues.

    Its text is the position and the reason, for messages.
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
    """The rows whose `field` is at least `low` and below `high`; None is unbounded.

    `numeric`: compared as integers, otherwise as text by code point.
    """

    field: str
    low: str | None
    high: str | None
    numeric: bool


@dataclass(slots=True, kw_only=True)
class Batch(ABC):
    """Rows written in one transaction, and where the next read can continue.

    `cursor` is committed with the batch; None keeps the stored cursor. `end` is set only on the
    last batch, with its evidence in `because`; an `UNPROVEN` end has none, and `doubt` says what
    was looked for and which setting would prove it. Any batch may have `warnings`; a run shows
    each once. `total` is an estimate of the rows in this read, for the progress bar. `layout` is
    what the raw form depends on besides its bytes (column names and types); it is part of the
    hashes.

    `covered` and `skipped` may be set on the last batch if the source itself compares key ranges:
    every row within the `covered` ranges was read, so a missing key in them was deleted; the
    `skipped` rows outside them exist and are unchanged. A full read of such a source covers one
    unbounded range. The cursor of a read is stored only once its deletions are done, so held and
    doubtful deletions are compared again.
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
        """Rows in this batch, without problems."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """Decode one row. Raises `RowDecodeError` if only that row is unreadable."""

    @abstractmethod
    def raw(self) -> Sequence[bytes]:
        """The raw form of every row, in order: equal bytes mean an equal row."""

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        """Canonical keys of all rows without decoding them, or None if that is impossible.

        `paths` are source paths as in the mapping's `key`. The key of a row without one is None.
        Must equal the result of `connectors.sdk.canonical.key_text` for the rows.
        """
        return None

    def columns(
        self, indices: Sequence[int], names: Sequence[str] | None = None
    ) -> dict[str, Column] | None:
        """The rows at `indices` by field, or None if they are not available in this form.

        Contains the fields in `names` (None: all) that the rows have. None also if one of the rows
        cannot be decoded or is a tombstone. Must equal the canonical JSON of the rows from `row`.
        """
        return None

    def __iter__(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self)))


class RowDecodeError(Exception):
    """One row of a raw batch cannot be decoded; contains the problem for the quarantine."""

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True, kw_only=True)
class RowBatch(Batch):
    """A batch of rows that already are Python objects."""

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
    """A batch of raw lines; only changed rows are decoded.

    `decode(line, index)` converts a line to a `Row`, or raises `RowDecodeError`. `key_columns`
    maps a field's name to a function that extracts its key text from every line, only for fields
    whose text in the line always equals `canonical.key_part` of the value. `take` returns columns
    of some lines, like `columns`.
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
