"""The key of a row, by which its object is found again, and why a row has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.mapping.language import effort
from app.mapping.language.errors import in_words
from app.mapping.validation import short_value
from connectors.sdk import FieldError, Row, RowData, RowProblem, Stage, canonical
from connectors.sdk.paths import MISSING


class Key:
    """The parts of a key, each with its name and how it is read; false without any.

    `paths`: the row's own fields that form the key; None if a part is nested or a template, or if
    there is no key.
    """

    def __init__(
        self,
        parts: Sequence[tuple[str, Callable[[RowData], Any]]],
        paths: tuple[str, ...] | None,
    ) -> None:
        self.paths = paths
        self._parts = tuple(parts)
        self._name = paths[0] if paths and len(paths) == 1 else None

    def __bool__(self) -> bool:
        return bool(self._parts)

    def of(self, data: RowData) -> str | None:
        """The canonical key of a row; None if a part is missing, null, blank or fails, or if it
        cannot be stored.
        """
        key = self._whole(data)
        return None if key is None or canonical.key_fault(key) is not None else key

    def _whole(self, data: RowData) -> str | None:
        if self._name is not None:  # the usual key: one field of the row itself
            value = data.get(self._name)
            if type(value) is str:
                return value if value and not value.isspace() else None
            return _part(value)
        parts: list[str | None] = []
        for _name, read in self._parts:
            try:
                value = read(data)
            except effort.StoppedError:
                raise
            except Exception:
                return None
            parts.append(None if value is MISSING else _part(value))
        return canonical.join_key(parts) if parts else None

    def problem(self, row: Row) -> RowProblem:
        """Why the row has no key."""
        errors = []
        whole = self._whole(row.data)
        if whole is not None and (fault := canonical.key_fault(whole)) is not None:
            names = ", ".join(name for name, _ in self._parts)
            errors.append(FieldError(names, fault, short_value(whole)))
        for name, read in self._parts:
            try:
                value = read(row.data)
            except effort.StoppedError:
                raise
            except Exception as error:
                errors.append(FieldError(name, f"the key cannot be read: {in_words(error)}"))
                continue
            if value is MISSING:
                errors.append(FieldError(name, "the key field is missing in the row"))
            elif _part(value) is None:
                errors.append(
                    FieldError(name, "the key field has no usable value", short_value(value))
                )
        return RowProblem(row.position, Stage.KEY, tuple(errors), raw=row.data)


def _part(value: Any) -> str | None:
    try:
        return canonical.key_part(value)
    except ValueError:  # not a JSON number
        return None
