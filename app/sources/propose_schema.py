"""Propose a JSON Schema from the rows of a source."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from app.application import Application
from app.errors import NotFoundError
from app.mapping.compile import Filtered, Mapped, RowPlan, compile_plan
from app.mapping.infer import Inference, Note, infer_schema
from app.mapping.spec import MappingSpec
from app.registers.lookups import RegisterLookups
from app.sources import store
from app.sources.model import Source
from app.sources.preview import read_rows
from connectors.sdk import RowData, RowProblem
from connectors.sdk.counting import counted

_ANYTHING = {"type": "object"}
SECONDS = 60.0
"""How long rows are examined; a page uses less."""


@dataclass(slots=True)
class _Sample:
    """Rows as they pass through a mapping, and how many failed."""

    app: Application
    source: Source
    plan: RowPlan
    limit: int
    failed: int = 0
    filtered: int = 0
    first_fault: str = ""

    def objects(self) -> Generator[RowData]:
        for item in read_rows(self.app, self.source, self.limit):
            outcome = item if isinstance(item, RowProblem) else self.plan.process(item)
            match outcome:
                case Mapped():
                    yield outcome.data
                case Filtered():
                    self.filtered += 1
                case RowProblem():
                    self.failed += 1
                    fault = outcome.errors[0]
                    self.first_fault = self.first_fault or f"{fault.path} {fault.message}".strip()

    def notes(self) -> list[Note]:
        notes = []
        if self.failed:
            notes.append(
                Note(
                    "",
                    f"{counted(self.failed, 'row')} could not be mapped; the first: "
                    f"{self.first_fault}",
                )
            )
        if self.filtered:
            notes.append(
                Note(
                    "",
                    f"{counted(self.filtered, 'row was', 'rows were')} filtered out and not "
                    f"looked at",
                )
            )
        return notes


def infer(
    app: Application,
    name: str,
    *,
    target: int = 0,
    limit: int = 10_000,
    title: str = "",
    seconds: float = SECONDS,
    as_text: Collection[str] = (),
) -> Inference:
    """A schema for the objects that the source's mapping produces from its first `limit` rows.

    Without a mapping these are the unchanged rows. The target's current schema is ignored. With
    the casts of the proposal in the mapping, every examined row is valid. Properties in `as_text`
    stay text. Stops after `seconds`.
    Raises NotFoundError, ConfigurationError, ConnectorError.
    """
    source = app.read(store.get, name)
    place = next((place for place in source.targets if place.target == target), None)
    if place is None:
        raise NotFoundError(
            f"Source {name} has no target {target}", hint=f"It has {len(source.targets)}, from 0"
        )
    spec = MappingSpec.model_validate(place.mapping)
    plan = compile_plan(
        spec,
        _ANYTHING,
        lookups=RegisterLookups(app.engine, place.register),
        where=f"source {name}",
    )
    sample = _Sample(app, source, plan, limit)
    until = time.monotonic() + seconds
    with closing(sample.objects()) as rows:
        found = infer_schema(
            rows,
            title=title,
            enough=lambda: time.monotonic() > until,
            without_casts=frozenset(spec.casts) | frozenset(as_text),
        )
    return replace(found, notes=(*sample.notes(), *_cast_notes(name, found), *found.notes))


def with_casts(mapping: Mapping[str, Any], found: Inference) -> dict[str, Any]:
    """A mapping document with the casts required by the proposed schema."""
    if not found.casts:
        return dict(mapping)
    return {**mapping, "casts": {**found.casts, **(mapping.get("casts") or {})}}


def _cast_notes(name: str, found: Inference) -> list[Note]:
    if not found.casts:
        return []
    casts = [
        f"{target}={cast if isinstance(cast, str) else json.dumps(cast, ensure_ascii=False)}"
        for target, cast in found.casts.items()
    ]
    options = " ".join(f"--cast {shlex.quote(cast)}" for cast in casts)
    return [
        Note(
            "",
            "the mapping needs these casts for the rows to be valid: "
            f"`source:edit {name} {options}`",
        )
    ]
