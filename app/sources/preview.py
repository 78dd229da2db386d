"""What the rows of a source would become, row by row, without writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from app.application import Application
from app.audit import diff as changes
from app.mapping.compile import Filtered, Mapped
from app.mapping.language import effort
from app.mapping.presence import ENOUGH, Presence
from app.mapping.target import Target
from app.registers import list_store
from app.registers.model import StoredObject
from app.registers.query import Condition, ObjectQuery
from app.sources import connect, store, targets
from app.sources.model import Source
from app.sources.warnings import no_key, nothing_matches
from connectors.sdk import canonical
from connectors.sdk.rows import FieldError, JsonValue, Row, RowDecodeError, RowProblem, Stage

LARGEST_PREVIEW = 8 * 1024 * 1024
"""Bytes of rows and objects after which a preview shows no more."""

LONGEST_PREVIEW = 30.0
"""Seconds for mapping the rows of a preview, without reading them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a row cannot become an object."""

    stage: Stage
    path: str
    message: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRow:
    """A row and its result: `action` is create, update, leave, restore, filter or reject."""

    position: str
    key: str | None
    raw: JsonValue
    mapped: dict[str, Any] | None
    action: str
    register: str
    schema: str
    diff: changes.Diff = field(default_factory=dict)
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows, and important warnings about them."""

    rows: Sequence[PreviewRow]
    warnings: Sequence[str]
    evidence: str = ""
    """Why a read covers every row, or that nothing proves it."""


def preview(
    app: Application,
    name: str,
    *,
    limit: int = 10,
    key: str | None = None,
    problems_only: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Sample:
    """The first `limit` rows; only the one with `key`, or only those with problems.

    `stop` ends the reading of the source. Within `effort.within` it also ends at the caller's
    limit. Raises NotFoundError, ConfigurationError, ConnectorError, StoppedError.
    """
    source = app.read(store.get, name)
    everything = key or problems_only
    sampled = read_rows(
        app,
        source,
        None if everything else max(limit, ENOUGH),
        patience=None if everything else LONGEST_PREVIEW,
        stop=stop,
    )
    found = preview_rows(app, source, sampled, limit=limit, key=key, problems_only=problems_only)
    return replace(
        found,
        evidence=connect.connector(app, source, patience=connect.PATIENCE, stop=stop)
        .check()
        .evidence,
    )


def preview_rows(
    app: Application,
    source: Source,
    sampled: Iterable[Row | RowProblem],
    *,
    limit: int = 10,
    key: str | None = None,
    problems_only: bool = False,
) -> Sample:
    """The same for rows read earlier, optionally with a mapping that is not stored yet.

    Raises ConfigurationError, StoppedError.
    """
    compiled = targets.compile_targets(app, source)
    sampled = iter(sampled)
    shown: list[PreviewRow] = []
    presence = Presence(target.plan for target in compiled)
    seen = matched = size = 0
    whole = False
    left = inf if key or problems_only else LONGEST_PREVIEW
    fields: Sequence[str] = ()
    for item in sampled:
        effort.check()
        seen += 1
        if isinstance(item, Row):
            fields = fields or tuple(item.data)
            presence.see(item.data)
        for target in compiled:
            began = monotonic()
            with effort.within(left, of=LONGEST_PREVIEW):
                row = _preview(app, source, target, item)
            left -= monotonic() - began
            matched += row.action != "filter"
            if (key is None or row.key == key) and (not problems_only or row.problems):
                shown.append(row)
                size += _size(row)
        if len(shown) >= limit * len(compiled) or size > LARGEST_PREVIEW:
            break
    else:
        whole = seen < limit
    for item in islice(sampled, max(ENOUGH - seen, 0)):
        if isinstance(item, Row):
            presence.see(item.data)
    warnings = _warnings(source.name, compiled, seen, matched, fields)
    warnings += presence.warnings(whole=whole)
    if size > LARGEST_PREVIEW and len(shown) < limit * len(compiled):
        warnings.append(f"The rows are large, so the preview ends after {len(shown):,} of them")
    return Sample(shown, warnings)


def _size(row: PreviewRow) -> int:
    """Bytes of the row and its object as JSON; invalid JSON is small and counts as 0."""
    try:
        return len(canonical.dumps([row.raw, row.mapped]))
    except (TypeError, ValueError):
        return 0


def _warnings(
    source: str, compiled: Sequence[Target], seen: int, matched: int, fields: Sequence[str]
) -> list[str]:
    warnings = []
    if not all(target.plan.has_key for target in compiled):
        warnings.append(no_key(source))
    if seen and not matched:
        warnings.append(nothing_matches(seen, fields))
    return warnings


def read_rows(
    app: Application,
    source: Source,
    limit: int | None,
    *,
    patience: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Row | RowProblem]:
    """The first rows of the source as it hands them out, or all of them, until `stop`."""
    connector = connect.connector(
        app,
        source,
        batch_size=min(limit or 1000, 1000),
        limit=limit,
        patience=patience,
        stop=stop,
    )
    left = limit
    with closing(iter(connector.read(None))) as batches:  # type: ignore[type-var]
        for batch in batches:
            for index in range(len(batch)):
                effort.check()
                try:
                    yield batch.row(index)
                except RowDecodeError as error:
                    yield error.problem
                if left is not None:
                    left -= 1
                    if left <= 0:
                        return
            yield from batch.problems


def _preview(
    app: Application, source: Source, target: Target, item: Row | RowProblem
) -> PreviewRow:
    place = source.targets[target.number]
    result = item if isinstance(item, RowProblem) else target.plan.process(item)
    raw = item.raw if isinstance(item, RowProblem) else item.data
    made = partial(
        PreviewRow, position=item.position, register=place.register, schema=place.schema, raw=raw
    )
    if isinstance(result, RowProblem):
        problems = [_problem(result, error) for error in result.errors]
        return made(key=result.key, mapped=None, action="reject", problems=problems)
    key = target.plan.key(item.data) if isinstance(item, Row) else None
    if isinstance(result, Filtered):
        return made(key=key, mapped=None, action="filter")
    action, diff = _compare(_known(app, source, target, result.key), result)
    return made(key=result.key, mapped=result.data, action=action, diff=diff)


def _problem(problem: RowProblem, error: FieldError) -> Problem:
    return Problem(problem.stage, error.path, error.message, error.value)


def _known(
    app: Application, source: Source, target: Target, key: str | None
) -> StoredObject | None:
    if key is None:
        return None
    with app.engine.connect() as connection:
        same = Condition(("key",), "eq", (key,), meta=True)
        query = ObjectQuery(source_id=source.id, conditions=(same,), deleted=True)
        found = list_store.read(connection, query, limit=10)
    return next((item for item in found if item.target == target.number), None)


def _compare(known: StoredObject | None, mapped: Mapped) -> tuple[str, changes.Diff]:
    if known is None:
        return "create", {}
    diff = changes.diff(known.data, mapped.data)
    if known.deleted is not None:
        return "restore", diff
    return ("update" if diff else "leave"), diff
