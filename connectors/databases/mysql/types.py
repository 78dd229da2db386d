"""MySQL's column types: how to write them into the line, and convert their text to JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymysql.constants import FIELD_TYPE

from connectors.databases import convert

INTEGERS = frozenset(
    {
        FIELD_TYPE.TINY,
        FIELD_TYPE.SHORT,
        FIELD_TYPE.LONG,
        FIELD_TYPE.INT24,
        FIELD_TYPE.LONGLONG,
        FIELD_TYPE.YEAR,
    }
)

CONVERTERS: dict[int, convert.Convert] = {
    **dict.fromkeys(INTEGERS, convert.integer),
    FIELD_TYPE.DECIMAL: convert.decimal,
    FIELD_TYPE.NEWDECIMAL: convert.decimal,
    FIELD_TYPE.FLOAT: convert.single,
    FIELD_TYPE.DOUBLE: convert.double,
    FIELD_TYPE.DATE: convert.date,
    FIELD_TYPE.NEWDATE: convert.date,
    FIELD_TYPE.DATETIME: convert.timestamp,
    FIELD_TYPE.TIMESTAMP: convert.utc,
    FIELD_TYPE.TIME: convert.time,
    FIELD_TYPE.BIT: convert.integer,
    FIELD_TYPE.JSON: convert.json,
}
"""Every other type is text, bytes or a geometry."""

MOMENTS = frozenset({FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP})

WORDS = {
    value: name.lower()
    for name, value in vars(FIELD_TYPE).items()
    if name.isupper() and name not in ("CHAR", "INTERVAL")
}
"""Names of the types of a query's columns; those of tables have more precise ones."""

_ESCAPES = (("5C", "5C5C"), ("09", "5C74"), ("0A", "5C6E"))
_NULL = "0x5C4E"
_TAB = "0x09"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def effective(kind: int, charset: str) -> int:
    """The type as far as it matters: all kinds of text are one, and all kinds of bytes."""
    if kind in CONVERTERS or kind == FIELD_TYPE.GEOMETRY:
        return kind
    return FIELD_TYPE.BLOB if charset == "binary" else FIELD_TYPE.VAR_STRING


def is_flag(kind: int, length: int) -> bool:
    """Whether this is MySQL's BOOLEAN: TINYINT(1) or BIT(1)."""
    return length == 1 and kind in (FIELD_TYPE.TINY, FIELD_TYPE.BIT)


def piece(name: str, kind: int, flag: bool) -> tuple[str, convert.Convert | None]:
    """SQL for the quoted column `name` as text for the line, and the converter of that text.

    Literals are hexadecimal, so they do not depend on SQL mode or character set.
    """
    converter = CONVERTERS.get(kind)
    if flag:
        return f"{name} + 0", convert.flag
    if kind == FIELD_TYPE.BIT or kind in INTEGERS:
        return f"{name} + 0", converter  # without the zeros of ZEROFILL
    if kind == FIELD_TYPE.FLOAT:
        return f"{name} + 0e0", converter  # its text has only six digits
    if kind == FIELD_TYPE.BLOB:
        return f"HEX({name})", convert.hexadecimal
    if kind == FIELD_TYPE.GEOMETRY:
        return f"ST_AsText({name})", None
    if converter is None or converter is convert.json:
        text = f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)"
        for plain, escape in _ESCAPES:
            text = f"REPLACE({text}, 0x{plain}, 0x{escape})"
        return text, converter
    return name, converter


def line(pieces: Sequence[str]) -> str:
    """SQL for a whole line."""
    return f"CONCAT_WS({_TAB}, {', '.join(f'IFNULL({each}, {_NULL})' for each in pieces)})"


def text_of(item: Any) -> Any:
    """Text as `str`: the connection decodes nothing."""
    return item.decode() if isinstance(item, bytes) else item
