"""Convert the cells of a column of lines to JSON text, all at once.

Gives the same canonical JSON as `connectors.databases.convert` does cell by cell. If the text of a
cell already is its JSON, as for most numbers and texts, no Python value is created. Raises
ValueError if any cell has no JSON form; the rows are then converted one by one to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeAlias

import orjson

from connectors.databases import convert
from connectors.databases.convert import Convert
from connectors.sdk import canonical
from connectors.sdk.columns import Column, Kind

Spell: TypeAlias = Callable[[Sequence[str], bool], tuple[list[str], bool]]
"""From cells, and whether they need no escaping, to their texts and whether those are plain."""

CERTAIN = frozenset({None, convert.integer, convert.boolean, convert.padded})
"""Conversions that accept any text of a database."""

_LONG = 300
"""Characters of a number that is checked individually."""
_BOOLEANS = {"t": "true", "f": "false", "1": "true", "0": "false"}


def column(
    cells: Sequence[str | None], converter: Convert | None, *, nulls: bool, plain: bool
) -> Column:
    """The cells (None: null) of a column, converted by `converter`. Raises ValueError.

    `nulls`: there may be nulls. `plain`: no cell contains a character that JSON escapes.
    """
    kind, spell = _SPELLED.get(converter, (Kind.ANY, None))
    if spell is None:
        assert converter is not None  # text has no converter
        spell = _one_by_one(converter)
    if not nulls or None not in cells:
        texts, plain = spell(cells, plain)  # type: ignore[arg-type]  # no None there
        return Column(kind, texts, plain=plain)
    texts, plain = spell([cell for cell in cells if cell is not None], plain)
    rest = iter(texts)
    return Column(
        kind, [None if cell is None else next(rest) for cell in cells], nulls=True, plain=plain
    )


def _texts(cells: Iterable[str], plain: bool) -> tuple[list[str], bool]:
    listed = list(cells)
    if not plain:
        joined = "".join(listed)
        plain = joined.isprintable() and '"' not in joined and "\\" not in joined
    if plain:
        return listed, True
    return [orjson.dumps(cell).decode() for cell in listed], False


def _converted(converter: Callable[[str], object]) -> Spell:
    """For converters from text to text."""
    return lambda cells, _: _texts(map(str, map(converter, cells)), plain=False)


def _one_by_one(converter: Convert) -> Spell:
    def spell(cells: Sequence[str], _: bool) -> tuple[list[str], bool]:
        values = map(canonical.value, map(converter, cells))
        return [canonical.dumps(value).decode() for value in values], False

    return spell


def _integers(cells: Sequence[str], _: bool) -> tuple[list[str], bool]:
    return list(cells), False  # databases write integers as JSON does


def _decimals(cells: Sequence[str], plain: bool) -> tuple[list[str], bool]:
    short = [cell.rstrip("0").rstrip(".") if "." in cell else cell for cell in cells]
    if _are_numbers(short):
        return short, False
    return _one_by_one(convert.decimal)(cells, plain)


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether all are JSON numbers in canonical form."""
    joined = ",".join(cells)
    if "e" in joined or "E" in joined or "-0" in joined or max(map(len, cells), default=0) > _LONG:
        return False
    try:
        return len(orjson.loads(f"[{joined}]")) == len(cells)
    except orjson.JSONDecodeError:
        return False


def _booleans(cells: Sequence[str], plain: bool) -> tuple[list[str], bool]:
    try:
        return list(map(_BOOLEANS.__getitem__, cells)), False
    except KeyError:
        return _one_by_one(convert.boolean)(cells, plain)


def _dates(cells: Sequence[str], _: bool) -> tuple[list[str], bool]:
    list(map(date.fromisoformat, cells))  # raises if JSON cannot represent it
    if not {len("2024-02-29")}.issuperset(map(len, cells)):
        raise ValueError("a date in another form")
    return list(cells), True


_SPELLED: dict[Convert | None, tuple[Kind, Spell]] = {
    None: (Kind.STRING, _texts),
    convert.integer: (Kind.INTEGER, _integers),
    convert.decimal: (Kind.NUMBER, _decimals),
    convert.double: (Kind.NUMBER, _one_by_one(convert.double)),
    convert.single: (Kind.NUMBER, _one_by_one(convert.single)),
    convert.boolean: (Kind.BOOLEAN, _booleans),
    convert.date: (Kind.DATE, _dates),
    **{
        each: (Kind.STRING, _converted(each))
        for each in (
            convert.timestamp,
            convert.utc,
            convert.time,
            convert.time_with_zone,
            convert.interval,
            convert.hexadecimal,
            convert.padded,
        )
    },
}
