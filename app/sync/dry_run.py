"""A dry run: the whole pipeline over the whole source, in read-only transactions."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import IO, Any, Self

from app.application import Application
from app.errors import PlanChangedError
from app.sources import connect
from app.sources.warnings import stay_rejected
from app.sync import drift, run
from app.sync import verdict as judging
from app.sync.batch import Changes, Missing, Observer
from app.sync.lock import Result, Stop
from app.sync.pipeline import Sync
from app.sync.postgres.dry_run import DryRunObjects
from app.sync.report import Counters, RunState
from app.sync.run import Job, Request
from connectors.sdk import Connector, ConnectorConfig, canonical
from connectors.sdk.counting import counted
from connectors.sdk.rows import Batch, Proof, Row, RowDecodeError, RowProblem


@dataclass(slots=True, kw_only=True)
class _SpooledBatch(Batch):
    """A batch as it was read, including its problems."""

    rows: Sequence[Row | RowProblem]
    forms: Sequence[bytes]
    cut: Mapping[tuple[str, ...], list[str | None] | None]
    """The keys by their paths, if the source provides them without decoding rows."""

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        found = self.rows[index]
        if isinstance(found, RowProblem):
            raise RowDecodeError(found)
        return found

    def raw(self) -> Sequence[bytes]:
        return self.forms

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        return self.cut.get(tuple(paths))


class Spool:
    """Batches in an anonymous file, one at a time in memory.

    A context manager; leaving it frees the disk space.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (closed by __exit__)
            prefix="openregister-plan-"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(
        self, batches: Iterator[Batch], key_paths: Collection[Sequence[str]]
    ) -> Generator[Batch]:
        """Pass the batches on after storing them; `key_paths` are those of all targets."""
        try:
            for batch in batches:
                pickle.dump(_spooled(batch, key_paths), self._file, pickle.HIGHEST_PROTOCOL)
                yield batch
        finally:
            if isinstance(batches, Generator):
                batches.close()

    def again(self) -> Iterator[Batch]:
        """The same batches again, equal byte for byte to those of the source."""
        self._file.flush()
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            batch: Batch = pickle.load(self._file)  # noqa: S301  # we wrote it; nobody else can
            yield batch


def _spooled(batch: Batch, key_paths: Collection[Sequence[str]]) -> _SpooledBatch:
    return _SpooledBatch(
        problems=batch.problems,
        cursor=batch.cursor,
        end=batch.end,
        because=batch.because,
        doubt=batch.doubt,
        warnings=batch.warnings,
        total=batch.total,
        layout=batch.layout,
        covered=batch.covered,
        skipped=batch.skipped,
        rows=[_row(batch, index) for index in range(len(batch))],
        forms=[bytes(form) for form in batch.raw()],
        cut={tuple(paths): batch.keys(paths) for paths in key_paths},
    )


def _row(batch: Batch, index: int) -> Row | RowProblem:
    try:
        return batch.row(index)
    except RowDecodeError as error:
        return error.problem


SHOWN = 20
"""Changes shown by a dry run; all are counted and hashed."""


@dataclass(slots=True)
class Plan:
    """What a run would do now. `hash` identifies exactly these changes, for `--apply`."""

    source: str
    state: RunState
    counters: Counters
    complete: bool
    complete_because: Proof | None
    rejected_before: int
    hash: str
    warnings: Sequence[str] = ()
    message: str | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)

    def without_changes(self) -> str:
        """The message for a plan without examples; nothing changes only if there are no errors."""
        if self.counters.errors:
            return f"{counted(self.counters.errors, 'row')} would be rejected"
        if self.rejected_before:
            return stay_rejected(self.rejected_before)
        return "Nothing would change" if self.state is RunState.DONE else "No object would change"


class _Recorder:
    """Hashes every change and keeps the first few for display.

    Rows come in the order of the source. Missing objects have no order, so their hashes are
    added up.
    """

    def __init__(self) -> None:
        self.examples: list[dict[str, Any]] = []
        self._digest = sha256()
        self._missing = 0

    def __call__(self, changes: Sequence[Changes]) -> None:
        for change in changes:
            number, creates = change.target.number, change.creates
            for created, data_hash in zip(creates.keys, creates.data_hashes, strict=True):
                self._note(number, "create", created, data_hash, None)
            for update in change.updates:
                key = str(update.known.uuid)
                self._note(number, update.action.value, key, update.data_hash, update.diff)
            for known in change.deletions:
                self._note(number, "delete", str(known.uuid), known.data_hash, None)

    def missing(self, missing: Sequence[Missing]) -> None:
        for gone in missing:
            content = gone.uuid.bytes + gone.version.to_bytes(8, "big")
            self._missing += int.from_bytes(sha256(content).digest(), "big")
            self._show("delete", str(gone.uuid), None)

    def hash(self, fingerprint: bytes, held: int) -> str:
        """The hash of exactly these changes with this mapping and schema."""
        missing = (self._missing % 2**256).to_bytes(32, "big")
        self._digest.update(missing + held.to_bytes(8, "big") + fingerprint)
        return self._digest.hexdigest()[:16]

    def _note(
        self, target: int, action: str, key: str | None, data_hash: bytes, diff: bytes | None
    ) -> None:
        place = f"{target}\x1f{action}\x1f{key}\x1f".encode()
        self._digest.update(place + bytes(data_hash) + sha256(diff or b"").digest())
        self._show(action, key, diff)

    def _show(self, action: str, key: str | None, diff: bytes | None) -> None:
        if len(self.examples) < SHOWN:
            shown = None if diff is None else canonical.parse(diff)
            self.examples.append({"action": action, "object": key, "diff": shown})


def dry_run(
    app: Application,
    name: str,
    request: Request,
    *,
    observe: Observer = lambda counters, total: None,
    should_stop: Stop = lambda: False,
) -> Plan:
    """What a run would do, without writing. Raises ConnectorError, ConfigurationError."""
    job = run.prepare(app, name, request)
    connector = connect.connector(app, job.source, limit=request.limit, stop=should_stop)
    return _planned(job, connector.read(job.cursor), observe, should_stop)


def apply(
    app: Application,
    name: str,
    request: Request,
    plan: str,
    *,
    observe: Observer = lambda counters, total: None,
    should_stop: Stop = lambda: False,
) -> Result:
    """Run the source, but only if that does what the dry run with this hash has shown.

    The source is read once, under its lock, into a file on disk, so what was compared with the
    plan is what is written. Raises PlanChangedError, with a cancelled run, and the errors of
    `run.run`.
    """
    with Spool() as spool:
        rows = partial(_compared, plan, spool)
        result = run.run(app, name, request, observe=observe, should_stop=should_stop, rows=rows)
    if isinstance(result.error, PlanChangedError):
        raise result.error
    return result


def _compared(
    plan: str, spool: Spool, job: Job, connector: Connector[ConnectorConfig], stop: Stop
) -> Iterator[Batch]:
    """The current rows of the source, matching the plan. Raises PlanChangedError."""
    paths = [found for target in job.targets if (found := target.plan.key_paths) is not None]
    batches = spool.keep(connector.read(job.cursor), paths)
    now = _planned(job, batches, lambda counters, total: None, stop)
    if now.hash != plan:
        counters = now.counters
        raise PlanChangedError(
            f"The source or the register has changed since plan {plan}: now it is plan "
            f"{now.hash}, which would create {counters.created:,}, update "
            f"{counters.updated:,} and delete {counted(counters.deleted, 'object')}",
            where=f"source {job.source.name}",
        )
    return spool.again()


def _planned(job: Job, batches: Iterator[Batch], observe: Observer, stop: Stop) -> Plan:
    """Run the pipeline over the whole source, in read-only transactions."""
    recorder = _Recorder()
    with DryRunObjects(job.app.engine, job.source.id, recorder) as objects:
        sync = Sync(job.targets, objects, job.options, observe=observe, stop=stop)
        checks = drift.check(job.app, job.source, job.targets, dry=True)
        outcome = sync.run(checks.checked(batches))
        standing = objects.standing()
    verdict = judging.judge(outcome, job.options, job.targets, job.source)
    return Plan(
        source=job.source.name,
        state=standing.state(verdict.state),
        counters=outcome.counters,
        complete=outcome.complete,
        complete_because=outcome.because,
        rejected_before=standing.rejected_before,
        hash=recorder.hash(job.fingerprint, outcome.counters.held),
        warnings=[*verdict.warnings, *checks.warnings],
        message=standing.message(verdict.state, verdict.message),
        examples=recorder.examples,
    )
