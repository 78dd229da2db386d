"""The compiled mapping of one target: from a row to a valid object or a problem.

    row → filter → map → key → cast → coerce → validate → canonical JSON and its hash

`app.mapping.compile.compile_plan` creates a `RowPlan` once; it then needs a few microseconds
per row and can be used by several threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.mapping import storage
from app.mapping.casts import Converter
from app.mapping.fast_columns import Columnwise
from app.mapping.fast_rows import Fused
from app.mapping.fields import (
    FieldRule,
    FieldValueError,
    LookupPort,
    Resolved,
    looked_up,
    lookup_values,
    means_null,
)
from app.mapping.key import Key
from app.mapping.language import effort
from app.mapping.language.errors import ExpressionError, in_words
from app.mapping.language.filters import Filter
from app.mapping.spec import Lookup
from app.mapping.types import Coercion
from app.mapping.validation import Validator, short_value
from connectors.sdk import (
    Batch,
    FieldError,
    Row,
    RowData,
    RowProblem,
    Stage,
    paths,
)
from connectors.sdk.paths import MISSING


@dataclass(slots=True)
class Mapped:
    """A valid object. `json` is its canonical form, `data_hash` its SHA-256 (32 bytes)."""

    key: str | None
    data: RowData
    json: bytes
    data_hash: bytes
    position: str


@dataclass(slots=True)
class Filtered:
    """A row rejected by the filter."""

    position: str


Outcome: TypeAlias = Mapped | Filtered | RowProblem


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a property of the object is derived, for display."""

    target: str
    origin: str
    """The source path or template as written."""


class RowPlan:
    """The compiled mapping and schema of one target.

    `fingerprint`: 64 bits over mapping, schema and engine version.
    `key_paths`: the row's own fields that form the key, for `Batch.keys`; None if a part is nested
    or a template, or if there is no key.
    `reads`: the row fields used by the mapping, and a getter for each.
    """

    def __init__(
        self,
        *,
        fingerprint: int,
        rules: Sequence[FieldRule],
        takes_everything: bool,
        filter_: Filter | None,
        filter_text: str,
        key: Key,
        finishers: Sequence[tuple[tuple[str, ...], str, Converter]],
        nulls: frozenset[str],
        unset: Sequence[tuple[str, ...]],
        coerce: Coercion,
        validate: Validator,
        lookups: LookupPort | None,
        fused: Fused | None = None,
        columnwise: Columnwise | None = None,
        reads: Mapping[str, paths.Getter] | None = None,
    ) -> None:
        self.reads = reads or {}
        self.fingerprint = fingerprint
        self.key = key.of
        """The canonical key of a row, or None; see `Key.of`."""
        self.key_paths = key.paths
        self.has_key = bool(key)
        self.has_filter = filter_ is not None
        self.has_lookups = any(rule.lookup for rule in rules)
        self._rules = tuple(rules)
        self._takes_everything = takes_everything
        self._filter = filter_
        self._filter_text = filter_text
        self._key_problem = key.problem
        self._finishers = tuple(finishers)
        self._nulls = nulls
        self._unset = tuple(unset)
        self._coerce = coerce
        self._validate = validate
        self._lookups = lookups
        self._fused = fused
        self._columnwise = columnwise if filter_ is None else None
        self._evaluates = filter_ is not None or any(
            rule.source is None and not rule.constant for rule in rules
        )

    # --- lookups ------------------------------------------------------------------------------

    def lookup_requests(self, rows: Sequence[Row]) -> dict[Lookup, set[str]]:
        """The values looked up by the rows, per lookup."""
        requests: dict[Lookup, set[str]] = {}
        for rule in self._rules:
            if rule.lookup is not None:
                wanted = requests.setdefault(rule.lookup, set())
                for row in rows:
                    wanted.update(lookup_values(rule, row.data))
        return requests

    def resolve(self, rows: Sequence[Row]) -> Resolved:
        """Resolve all lookups of these rows at once; pass the result to `process`."""
        if not self.has_lookups or self._lookups is None:
            return {}
        requests = self.lookup_requests(rows)
        return {
            lookup: self._lookups.resolve(lookup, wanted) if wanted else {}
            for lookup, wanted in requests.items()
        }

    # --- mapping -----------------------------------------------------------------------------

    def accepts(self, row: Row) -> bool | RowProblem:
        """Whether the filter accepts the row."""
        if self._filter is None:
            return True
        try:
            return self._filter(row.data)
        except ExpressionError as error:
            fault = FieldError("", f"filter `{self._filter_text}`: {error}")
            return self._problem(row, Stage.FILTER, [fault])

    def process(
        self, row: Row, resolved: Resolved | None = None, key: str | None = None
    ) -> Outcome:
        """The object for a row, or why there is none.

        `resolved` comes from `resolve`; without it the row's lookups are resolved here. `key` is
        the row's key, if already known.
        """
        opened = self._evaluates and effort.begin()  # one budget for all expressions of the row
        try:
            return self._process(row, resolved, key)
        except effort.StoppedError:
            raise
        except Exception as error:
            return self._unforeseen(row, key, error)
        finally:
            effort.end(opened)

    def _unforeseen(self, row: Row, key: str | None, error: Exception) -> RowProblem:
        """An unexpected error for a row is a problem of that row."""
        fault = FieldError("", f"the row cannot be mapped: {in_words(error)}")
        with suppress(Exception):
            key = key or self.key(row.data)
        return RowProblem(row.position, Stage.COERCE, (fault,), raw=row.data, key=key)

    def documents(self, batch: Batch, indices: Sequence[int]) -> list[bytes] | None:
        """Canonical JSON of the objects for the rows at `indices`, which have keys.

        None if they must be processed individually with `process`.
        """
        quick = self._columnwise
        columns = None if quick is None else batch.columns(indices, quick.names)
        return None if quick is None or columns is None else quick(columns, len(indices))

    def _process(self, row: Row, resolved: Resolved | None, key: str | None) -> Outcome:
        if self._filter is not None:
            accepted = self.accepts(row)
            if accepted is not True:
                return accepted if isinstance(accepted, RowProblem) else Filtered(row.position)
        if key is None and self.has_key:
            key = self.key(row.data)
        if self._fused is not None and (key is not None or not self.has_key):
            document = self._fused(row.data)
            if document:
                return self._checked(row, key, document)
        return self._at_length(row, resolved, key)

    def _at_length(self, row: Row, resolved: Resolved | None, key: str | None) -> Outcome:
        """The general path, step by step, which produces all error messages."""
        if resolved is None:
            resolved = self.resolve([row]) if self.has_lookups else {}
        errors: list[FieldError] = []
        data = self._map(row.data, resolved, errors)
        if errors:
            return self._problem(row, Stage.MAP, errors)
        if key is None and self.has_key:
            return self._key_problem(row)
        self._cast(data, errors)
        data = self._coerce(data, errors)
        if errors:
            return self._problem(row, Stage.COERCE, self._with_origins(errors), key)
        if not data:
            fields = ", ".join(list(row.data)[:20]) or "(none)"
            empty = FieldError(
                "", f"the mapping produces an empty object; the row's fields are {fields}"
            )
            return self._problem(row, Stage.MAP, [empty], key)
        return self._checked(row, key, data)

    def _checked(self, row: Row, key: str | None, data: RowData) -> Mapped | RowProblem:
        invalid = self._validate(data)
        if invalid:
            return self._problem(row, Stage.VALIDATE, invalid, key)
        stored = storage.stored(data)
        if isinstance(stored, FieldError):
            return self._problem(row, Stage.COERCE, [stored], key)
        return Mapped(key, data, *stored, row.position)

    def _map(self, data: RowData, resolved: Resolved, errors: list[FieldError]) -> RowData:
        result: RowData = dict(data) if self._takes_everything else {}
        for rule in self._rules:
            try:
                value = rule.evaluate(data)
                if rule.lookup is not None:
                    value = looked_up(rule, value, resolved)
                if rule.finish is not None:
                    value = rule.finish(value)
            except ExpressionError as error:
                errors.append(FieldError(rule.target, f"`{rule.origin}`: {error}"))
                continue
            except FieldValueError as error:
                shown = short_value(error.value)
                errors.append(FieldError(rule.target, f"`{rule.origin}`: {error}", shown))
                continue
            except effort.StoppedError:
                raise
            except Exception as error:
                errors.append(FieldError(rule.target, f"`{rule.origin}`: {in_words(error)}"))
                continue
            if value is MISSING:
                continue
            if len(rule.steps) == 1:
                result[rule.steps[0]] = value
            else:
                _put(result, rule, value, errors)
        for steps in self._unset:
            _remove(result, steps)
        return result

    def _cast(self, data: RowData, errors: list[FieldError]) -> None:
        if self._nulls:
            for name, value in data.items():
                if means_null(value, self._nulls):
                    data[name] = None
        for steps, target, convert in self._finishers:
            holder = _holder(data, steps)
            if holder is None or steps[-1] not in holder:
                continue
            value = holder[steps[-1]]
            try:
                holder[steps[-1]] = convert(value)
            except Exception as error:
                errors.append(FieldError(target, f"cast: {in_words(error)}", short_value(value)))
                del holder[steps[-1]]

    def _problem(
        self, row: Row, stage: Stage, errors: Iterable[FieldError], key: str | None = None
    ) -> RowProblem:
        if key is None and self.has_key:
            key = self.key(row.data)
        return RowProblem(row.position, stage, tuple(errors), raw=row.data, key=key)

    def _with_origins(self, errors: Iterable[FieldError]) -> list[FieldError]:
        """The errors, each with the expression that produced the value."""
        named = []
        for error in errors:
            origin = self.origin(error.path)
            message = f"{error.message} (from `{origin}`)" if origin else error.message
            named.append(FieldError(error.path, message, error.value))
        return named

    # --- explanation ---------------------------------------------------------------------------

    def origin(self, path: str) -> str | None:
        """The source path or template of a property, if a rule set it."""
        for rule in self._rules:
            if path == rule.target or path.startswith(f"{rule.target}."):
                return rule.origin
        return None

    def explain(self) -> list[Explanation]:
        """Every rule of the mapping, in order."""
        return [Explanation(rule.target, rule.origin) for rule in self._rules]


def _put(result: RowData, rule: FieldRule, value: Any, errors: list[FieldError]) -> None:
    """Set a nested property, copying what passthrough took from the row."""
    node: dict[str, Any] = result
    for name in rule.steps[:-1]:
        below = node.get(name)
        if below is not None and not isinstance(below, dict):
            errors.append(FieldError(rule.target, f"{name} is not an object", short_value(below)))
            return
        node[name] = node = dict(below or {})
    node[rule.steps[-1]] = value


def _holder(data: RowData, steps: tuple[str, ...]) -> dict[str, Any] | None:
    node: Any = data
    for name in steps[:-1]:
        node = node.get(name)
        if not isinstance(node, dict):
            return None
    return node if isinstance(node, dict) else None


def _remove(data: RowData, steps: tuple[str, ...]) -> None:
    """Remove a property, copying what passthrough took from the row."""
    node: dict[str, Any] = data
    for name in steps[:-1]:
        below = node.get(name)
        if not isinstance(below, dict):
            return
        node[name] = node = dict(below)
    node.pop(steps[-1], None)
