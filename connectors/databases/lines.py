r"""Rows as lines of text with tab-separated columns, as written by PostgreSQL's COPY.

``\N`` is NULL; tab, newline and backslash inside a value are written ``\t``, ``\n``, ``\\``
(COPY: also ``\b \f \r \v``). The line is the raw form of the row. Keys are extracted from it, and
only changed rows are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from connectors.databases import cells, convert
from connectors.databases.convert import Convert
from connectors.sdk import canonical
from connectors.sdk.columns import Column
from connectors.sdk.counting import counted
from connectors.sdk.rows import (
    FieldError,
    JsonValue,
    LineBatch,
    Row,
    RowDecodeError,
    RowProblem,
    Stage,
)

Take: TypeAlias = "Callable[[Sequence[str | None]], dict[str, JsonValue]]"
"""From the fields of a line to the row's values."""

NULL = "\\N"
_BETWEEN = b"\t\n\t"
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class LineColumn:
    """One column of the line. `convert` None: text, unchanged."""

    name: str
    type: str
    convert: Convert | None = None


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How to read the lines of a table or query. `key` names the columns used in positions."""

    columns: Sequence[LineColumn]
    subject: str
    key: Sequence[str] = ()
    layout: bytes = field(init=False)
    cutters: Mapping[str, Callable[[Sequence[bytes]], list[str | None]]] = field(init=False)

    def __post_init__(self) -> None:
        # 1: version of the conversions; increase it when one changes, so that old rows differ.
        shape = ["lines", 1, [[column.name, column.type] for column in self.columns]]
        object.__setattr__(self, "layout", canonical.dumps(shape))
        cutters = {
            column.name: cutter(index, column.convert) for index, column in enumerate(self.columns)
        }
        object.__setattr__(self, "cutters", cutters)

    def batch(self, lines: Sequence[bytes], first: int, total: int | None = None) -> LineBatch:
        """A batch of lines, the first of which is row number `first` of this read."""
        return LineBatch(
            lines=lines,
            decode=self.decoder(first),
            key_columns=self.cutters,
            take=self.take,
            layout=self.layout,
            total=total,
        )

    def take(
        self, lines: Sequence[bytes], names: Sequence[str] | None = None
    ) -> dict[str, Column] | None:
        """Columns of some lines, as for `Batch.columns`."""
        width = len(self.columns)
        raw = _BETWEEN.join(lines)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        pieces: list[str | None] = text.split("\t")  # type: ignore[assignment]  # list is invariant
        step = width + 1  # each line ends with a newline
        count = len(lines)
        if len(pieces) != step * count - 1 or pieces[width::step] != ["\n"] * (count - 1):
            return None
        nulls, plain = False, '"' not in text and len(raw.translate(None, _CONTROL)) == len(raw)
        if escapes := text.count("\\"):
            nulls, plain = True, plain and escapes == text.count(NULL)  # "\\\\" counts as two
            pieces = [unescape(each) if each and "\\" in each else each for each in pieces]
        found = {}
        for place, column in enumerate(self.columns):
            wanted = names is None or column.name in names
            if not wanted and column.convert in cells.CERTAIN:
                continue
            cut = pieces[place::step]
            try:  # unused columns must be readable too: a row is read completely or not at all
                made = cells.column(cut, column.convert, nulls=nulls, plain=plain)
            except ValueError:
                return None
            if wanted:
                found[column.name] = made
        return found

    def decoder(self, first: int) -> Callable[[bytes, int], Row]:
        take, subject = _compiled(self.columns), self.subject
        spare = place if len(self.key) != 1 else None
        key = self.key[0] if spare is None else ""

        def decode(line: bytes, index: int) -> Row:
            number = first + index
            try:
                text = line.decode()
                data = take(split(line) if "\\" in text else text.split("\t"))
            except ValueError:
                raise RowDecodeError(self._problem(line, number)) from None
            if spare is not None:
                return Row(data, spare(subject, number, self.key, data))
            return Row(data, f"{subject}, row {number}, {key} {data[key]}")

        return decode

    def _problem(self, line: bytes, number: int) -> RowProblem:
        """Describe everything that is wrong with a line that could not be decoded."""
        try:
            texts = split(line)
        except UnicodeDecodeError as error:
            fault = FieldError("", f"The text is not UTF-8: {error.reason}")
            raw = line.decode("utf-8", "replace")
            return RowProblem(place(self.subject, number), Stage.READ, (fault,), raw)
        data: dict[str, JsonValue] = dict(zip([c.name for c in self.columns], texts, strict=False))
        position = place(self.subject, number, self.key, data)
        if len(texts) != len(self.columns):
            fault = FieldError("", f"{counted(len(texts), 'column')}, expected {len(self.columns)}")
            return RowProblem(position, Stage.READ, (fault,), data)
        faults = []
        for column, text in zip(self.columns, texts, strict=True):
            try:
                if column.convert and text is not None:
                    column.convert(text)
            except ValueError as error:
                faults.append(FieldError(column.name, str(error), text))
        return RowProblem(position, Stage.READ, tuple(faults), data)


def _compiled(
    columns: Sequence[LineColumn],
) -> Callable[[Sequence[str | None]], dict[str, JsonValue]]:
    """A compiled expression that builds a row from a line: `{name: convert(piece), …}`.

    Names and converters are passed as values, never as code. Raises ValueError, also if the
    number of pieces differs from the number of columns.
    """
    known: dict[str, Any] = {}
    members = []
    for number, column in enumerate(columns):
        known[f"n{number}"], known[f"c{number}"] = column.name, column.convert
        piece = f"p{number}"
        value = piece
        if column.convert is convert.boolean:
            value = f"None if {piece} is None else {piece} == 't' or c{number}({piece})"
        elif column.convert is not None:
            value = f"None if {piece} is None else c{number}({piece})"
        members.append(f"n{number}: {value}")
    pieces = "".join(f"p{number}, " for number in range(len(columns)))
    body = f"  {pieces}= pieces\n" if columns else ""
    source = f"def take(pieces):\n{body}  return {{{', '.join(members)}}}"
    exec(source, known)  # noqa: S102  # made of the numbers above only
    take: Take = known["take"]
    return take


def split(line: bytes) -> list[str | None]:
    """The values of a line as text. Raises UnicodeDecodeError."""
    text = line.decode()
    if "\\" not in text:
        return text.split("\t")  # type: ignore[return-value]  # list is invariant
    return [unescape(piece) if "\\" in piece else piece for piece in text.split("\t")]


def unescape(piece: str) -> str | None:
    if piece == NULL:
        return None
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), piece)


def cutter(index: int, convert: Convert | None) -> Callable[[Sequence[bytes]], list[str | None]]:
    """A function from lines to the key texts of column `index`; None where there is none."""

    def key_of(text: str) -> str | None:
        value = unescape(text) if "\\" in text else text
        if value is None or convert is None:
            return canonical.key_part(value)
        try:
            return canonical.key_part(convert(value))
        except ValueError:  # decoding the row will report the error
            return None

    def cut(lines: Sequence[bytes]) -> list[str | None]:
        if index == 0:
            found = [line.partition(b"\t")[0] for line in lines]
        else:
            found = [line.split(b"\t", index + 1)[index] for line in lines]
        joined = b"\t".join(found).decode("utf-8", "replace")
        texts = joined.split("\t") if found else []
        if convert is int and "\\" not in joined:
            return texts  # type: ignore[return-value]  # list is invariant
        return [key_of(text) for text in texts]

    return cut


def place(
    subject: str, number: int, key: Sequence[str] = (), data: Mapping[str, JsonValue] | None = None
) -> str:
    """A row's position for messages: ``people, row 14, id 7``."""
    if not key or data is None:
        return f"{subject}, row {number}"
    values = ", ".join(f"{name} {data.get(name)}" for name in key)
    return f"{subject}, row {number}, {values}"
