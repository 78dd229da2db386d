"""Check the first rows of a run before any is written, for drift and misspelled fields.

Only a sample is checked, because unchanged rows are never decoded: the first `SAMPLE` rows of the
first batch, compared with those of the previous run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.application import Application
from app.errors import HeldError
from app.mapping.plan import RowPlan
from app.mapping.presence import Presence
from app.mapping.target import Target
from app.sources import store
from app.sources.document import DriftPolicy, SourceOptions
from app.sources.model import Source
from connectors.sdk import JsonValue, RowData, lenient
from connectors.sdk.rows import Batch, End, RowDecodeError


def kind(value: JsonValue) -> str:
    """The JSON type of a value; integers are numbers."""
    found = _KINDS.get(type(value))
    if found is not None:
        return found
    return "null" if value is None else type(value).__name__


_KINDS: dict[type[Any], str] = {
    str: "string",
    int: "number",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}


@dataclass(slots=True)
class Profile:
    """The number of rows, and how often each JSON type occurred per field."""

    rows: int = 0
    fields: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, data: RowData) -> None:
        """Count one row."""
        self.rows += 1
        fields = self.fields
        for name, value in data.items():
            kinds = fields.get(name)
            if kinds is None:
                kinds = fields[name] = {}
            found = kind(value)
            kinds[found] = kinds.get(found, 0) + 1

    def merge(self, other: Profile) -> None:
        """Add the counts of another profile."""
        self.rows += other.rows
        for name, kinds in other.fields.items():
            own = self.fields.setdefault(name, {})
            for found, count in kinds.items():
                own[found] = own.get(found, 0) + count

    def as_json(self) -> dict[str, Any]:
        """The form stored; odd characters that PostgreSQL cannot store are replaced in names."""
        return {"rows": self.rows, "fields": lenient.shown(self.fields)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        fields = {name: dict(kinds) for name, kinds in document.get("fields", {}).items()}
        return cls(int(document.get("rows", 0)), fields)


def profile(rows: Iterable[RowData]) -> Profile:
    """The profile of some rows."""
    result = Profile()
    for data in rows:
        result.add(data)
    return result


@dataclass(frozen=True, slots=True)
class Retyped:
    """A field with a JSON type that it did not have before."""

    before: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """How the fields of a source changed; false if they did not."""

    new: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    retyped: Mapping[str, Retyped] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.new or self.vanished or self.retyped)

    def as_json(self) -> dict[str, Any]:
        return {
            "new": list(self.new),
            "vanished": list(self.vanished),
            "retyped": {
                name: {"before": list(change.before), "now": list(change.now)}
                for name, change in self.retyped.items()
            },
        }

    def message(self) -> str:
        """One sentence for display."""
        parts = []
        if self.new:
            parts.append(f"new: {', '.join(self.new)}")
        if self.vanished:
            parts.append(f"gone: {', '.join(self.vanished)}")
        parts += [
            f"{name} was {' or '.join(change.before)}, now {' or '.join(change.now)}"
            for name, change in self.retyped.items()
        ]
        return f"The fields of the source changed: {'; '.join(parts)}" if parts else ""


def compare(before: Profile, now: Profile) -> Drift:
    """The changes. Empty until both have rows.

    A field has disappeared if it was in every row before and is in none now, because an optional
    field may well be missing from all rows of one run. Null says nothing about a type.
    """
    if not before.rows or not now.rows:
        return Drift()
    retyped = {}
    for name, kinds in now.fields.items():
        old = set(before.fields.get(name, ())) - {"null"}
        new = set(kinds) - {"null"}
        if old and new - old:
            retyped[name] = Retyped(tuple(sorted(old)), tuple(sorted(new)))
    return Drift(
        new=tuple(name for name in now.fields if name not in before.fields),
        vanished=tuple(
            name
            for name, kinds in before.fields.items()
            if name not in now.fields and sum(kinds.values()) == before.rows
        ),
        retyped=retyped,
    )


SAMPLE = 1000


class DriftError(HeldError):
    """The source's fields changed and its policy is to stop; nothing was written."""

    def __init__(self, source: str, drift: Drift) -> None:
        super().__init__(
            drift.message(),
            where=f"source {source}",
            hint=f"Check the mapping, then run `source:run {source} --accept-drift`",
        )
        self.drift = drift


class DriftCheck:
    """Checks the rows of one run as they pass."""

    def __init__(
        self,
        source: Source,
        before: Profile,
        policy: DriftPolicy,
        plans: Iterable[RowPlan] = (),
    ) -> None:
        self._presence = Presence(plans)
        self._whole = False
        self._source = source
        self._before = before
        self._policy = policy
        self._now = Profile()
        self.drift = Drift()

    def checked(self, batches: Iterator[Batch]) -> Generator[Batch]:
        """Pass the batches on. Raises DriftError instead of the first one."""
        try:
            for batch in batches:
                if not self._presence.rows:
                    self._look(batch)
                yield batch
        finally:
            if isinstance(batches, Generator):
                batches.close()

    def _look(self, batch: Batch) -> None:
        for index in range(min(len(batch), SAMPLE)):
            try:
                data = batch.row(index).data
            except RowDecodeError:
                continue  # it is quarantined with its reason
            self._presence.see(data)
            if self._policy is not DriftPolicy.IGNORE:
                self._now.add(data)
        self._whole = len(batch) <= SAMPLE and batch.end is End.FULL
        if self._policy is DriftPolicy.IGNORE:
            return
        self.drift = compare(self._before, self._now)
        if self.drift and self._policy is DriftPolicy.HOLD:
            raise DriftError(self._source.name, self.drift)

    @property
    def warnings(self) -> list[str]:
        changed = [self.drift.message()] if self.drift else []
        return changed + self._presence.warnings(whole=self._whole, known=self._before.fields)

    def accept(self, app: Application, *, full: bool) -> None:
        """Store the fields for the next run; an incremental read adds them to earlier ones."""
        if not self._now.rows:
            return
        seen = self._now
        if not full:
            seen = Profile.from_json(self._before.as_json())
            seen.merge(self._now)
        with app.engine.begin() as connection:
            store.put_profile(connection, self._source.id, seen.as_json())


def check(
    app: Application,
    source: Source,
    targets: Iterable[Target] = (),
    *,
    accept: bool = False,
    dry: bool = False,
) -> DriftCheck:
    """The check for a run by the source's policy; `accept` and `dry` never stop it."""
    policy = SourceOptions.model_validate(source.options).drift
    if policy is DriftPolicy.HOLD and (accept or dry):
        policy = DriftPolicy.WARN
    with app.engine.connect() as connection:
        before = Profile.from_json(store.profile(connection, source.id) or {})
    return DriftCheck(source, before, policy, [target.plan for target in targets])
