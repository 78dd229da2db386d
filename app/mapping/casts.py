"""Casts: conversions requested by name, applied before the coercion to the schema.

They may do what coercion never guesses: read yes and ja as true, a decimal comma, a date in another
order, a timezone for a time without one, text as a list or as JSON. Null stays null, and blank text
becomes null except for `string`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any, TypeAlias

from app.mapping.language import dates, functions, values
from app.mapping.language.errors import ValueProblem
from app.mapping.spec import Cast
from connectors.sdk import canonical, truth

Converter: TypeAlias = Callable[[Any], Any]
"""Raises ValueProblem with a text that follows the value: ``is not a date…``."""


def compile_cast(cast: str | Cast) -> Converter:
    """The function of a cast. Raises ValueError for an unknown timezone."""
    spec = Cast.model_validate({"type": cast}) if isinstance(cast, str) else cast
    convert = _CASTS[spec.type](spec)

    def cast_value(value: Any) -> Any:
        if value is None or (type(value) is str and spec.type != "string" and not value.strip()):
            return None
        return convert(value)

    return cast_value


def _string(_spec: Cast) -> Converter:
    return values.text


def _number(spec: Cast) -> Converter:
    return lambda value: values.number(value, spec.decimal)


def _integer(spec: Cast) -> Converter:
    def convert(value: Any) -> int:
        number = values.number(value, spec.decimal)
        if type(number) is not int:
            raise ValueProblem("is not a whole number; use round(…)")
        return number

    return convert


def _boolean(_spec: Cast) -> Converter:
    def convert(value: Any) -> bool:
        try:
            return truth.read(value)
        except ValueError as error:
            raise ValueProblem(str(error)) from None

    return convert


def _date(spec: Cast) -> Converter:
    return lambda value: dates.read(value, spec.format, _zone(spec)).date().isoformat()


def _datetime(spec: Cast) -> Converter:
    where = _zone(spec)

    def convert(value: Any) -> str:
        moment = dates.read(value, spec.format, where)
        if moment.tzinfo is None:
            raise ValueProblem(
                "has no time zone; set one: {type: datetime, zone: Europe/Amsterdam}"
            )
        return dates.iso(moment)

    return convert


def _zone(spec: Cast) -> tzinfo | None:
    return dates.zone(spec.zone) if spec.zone else None


def _json(_spec: Cast) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not str:
            return value
        try:
            return canonical.parse(value)
        except (ValueError, RecursionError) as error:
            raise ValueProblem(f"is not JSON: {values.json_fault(error)}") from None

    return convert


def _list(spec: Cast) -> Converter:
    def convert(value: Any) -> list[Any]:
        if type(value) is list:
            return value
        return functions.split(value, spec.separator) if type(value) is str else [value]

    return convert


_CASTS: dict[str, Callable[[Cast], Converter]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "json": _json,
    "list": _list,
}
