"""Drift: the first rows of a run looked at before any of them is written.

Only a sample is looked at, because rows that did not change are never decoded: the first
`SAMPLE` rows of the first batch, compared with the same of the run before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from app.application import Application
from app.errors import HeldError
from app.sources import store
from app.sources.document import DriftPolicy, SourceOptions
from app.sources.store import Source
from app.sync.field_drift import Drift, Profile, compare
from connectors.sdk.rows import Batch, RowDecodeError

SAMPLE = 1000


class DriftError(HeldError):
    """The source's fields changed and the source is set to stop then; nothing was written."""

    def __init__(self, source: str, drift: Drift) -> None:
        super().__init__(
            drift.message(),
            where=f"source {source}",
            hint=f"Check the mapping, then run `source:run {source} --accept-drift`",
        )
        self.drift = drift


class Watch:
    """Looks at the rows of one run on their way."""

    def __init__(self, source: Source, before: Profile, policy: DriftPolicy) -> None:
        self._source = source
        self._before = before
        self._policy = policy
        self._now = Profile()
        self.drift = Drift()

    def over(self, batches: Iterator[Batch]) -> Generator[Batch]:
        """The batches as they come. Raises DriftError in place of the first one."""
        try:
            for batch in batches:
                if not self._now.rows and self._policy is not DriftPolicy.IGNORE:
                    self._look(batch)
                yield batch
        finally:
            if isinstance(batches, Generator):
                batches.close()

    def _look(self, batch: Batch) -> None:
        for index in range(min(len(batch), SAMPLE)):
            try:
                self._now.add(batch.row(index).data)
            except RowDecodeError:
                continue  # it goes to quarantine with its reason
        self.drift = compare(self._before, self._now)
        if self.drift and self._policy is DriftPolicy.HOLD:
            raise DriftError(self._source.name, self.drift)

    @property
    def warnings(self) -> list[str]:
        return [self.drift.message()] if self.drift else []

    def accept(self, app: Application, *, full: bool) -> None:
        """Remember the fields for the next run; after an incremental read beside earlier ones."""
        if not self._now.rows:
            return
        seen = self._now
        if not full:
            seen = Profile.from_json(self._before.as_json())
            seen.merge(self._now)
        with app.engine.begin() as connection:
            store.put_profile(connection, self._source.id, seen.as_json())


def watch(app: Application, source: Source, *, accept: bool = False, dry: bool = False) -> Watch:
    """The watch over a run by the source's policy; `accept` and `dry` never hold it up."""
    policy = SourceOptions.model_validate(source.options).drift
    if policy is DriftPolicy.HOLD and (accept or dry):
        policy = DriftPolicy.WARN
    with app.engine.connect() as connection:
        before = Profile.from_json(store.profile(connection, source.id) or {})
    return Watch(source, before, policy)
