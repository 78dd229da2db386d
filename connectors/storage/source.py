"""Read rows from files: shared by every connector with a `FileStore`.

find files → wait until they are stable → skip known files → unpack → read → remember
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO, Generic, TypeVar

from connectors.formats import base
from connectors.formats.options import FileFields, format_of, known_format, reader
from connectors.sdk import (
    Batch,
    CheckResult,
    Connector,
    ConnectorConfig,
    Cursor,
    End,
    FatalError,
    FieldFact,
    JsonValue,
    LimitError,
    MissingError,
    Proof,
    RetriableError,
    Row,
    RowBatch,
    canonical,
)
from connectors.sdk.net.dial import brief
from connectors.storage.progress import Known, digest_of
from connectors.storage.store import FileInfo, FileStore, changed, find, fixed_part
from connectors.storage.unpack import gunzipped, members, packed_as

F = TypeVar("F", bound=ConnectorConfig)

_SAMPLE_ROWS = 100
_TICK = 0.1


class FileConnector(Connector[F], Generic[F]):
    """Base of connectors whose rows are in files. A subclass implements `connect`."""

    @property
    @abstractmethod
    def fields(self) -> FileFields:
        """The file settings."""

    @abstractmethod
    def connect(self) -> AbstractContextManager[FileStore]:
        """Connect to the store of the files. Raises ConnectorError."""

    def name_of(self, document: str) -> str:
        """The name of a document in positions; empty if the place within it is clear enough."""
        return f"file {document}"

    def check(self) -> CheckResult:
        with self.connect() as store:
            files = self._selected(store)
            facts = {**store.facts(), **_facts_of(files)}
            warnings = store.warnings()
            if not files:
                return CheckResult(
                    "Connected; no file matches now", facts, warnings=[*warnings, "Nothing to read"]
                )
            newest = max(files, key=lambda file: (file.mtime, file.path))
            with store.open(newest) as stream, closing(self._documents(newest, stream)) as found:
                document = next(found)
                return self._looked_at(document, newest, facts, warnings)

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        known = Known.parse(cursor, self._settings())
        with self.connect() as store:
            files = self._selected(store)
            if not files:
                # nothing new, and nothing known to be missing
                yield RowBatch(end=End.INCREMENTAL, because=Proof.END_OF_DATA)
                return
            looked = time.time()
            fresh, unstable = self._settled(store, [f for f in files if not known.is_same(f)])
            fresh = [f for f in fresh if not self._is_known_content(store, f, known, looked)]
            snapshot = self.fields.is_snapshot
            if unstable and (snapshot or not fresh):
                raise RetriableError(
                    "The file is still being written",
                    where=base.listing([file.path for file in unstable]),
                    hint="The next run reads it once its size and time no longer change",
                )
            vanished = known.files.keys() - {file.path for file in files}
            known.forget_all_but(file.path for file in files)
            if known.existed and not fresh and not (snapshot and vanished):
                yield RowBatch(cursor=known.cursor(), end=End.UNCHANGED, because=Proof.NOT_MODIFIED)
                return
            yield from self._batches(store, files if snapshot else fresh, known, looked)

    def after_commit(self, cursor: Cursor | None) -> None:
        """Move or delete the files whose rows are committed, according to `after`."""
        fields = self.fields
        known = Known.parse(cursor, self._settings())
        if fields.after == "keep" or not known.files:
            return
        with self.connect() as store:
            for file in find(store, fields.path):
                entry = known.files.get(file.path)
                if entry is None or (entry.size, entry.mtime) != (file.size, file.mtime):
                    continue  # it has been replaced: the new rows are not read yet
                if not entry.sure and not self._has_digest(store, file, entry.digest):
                    continue
                if fields.after == "delete":
                    store.delete(file.path)
                else:
                    store.move(file.path, fields.move_to, file.name)

    def _settings(self) -> str:
        """A fingerprint of the settings that determine the rows."""
        outside = {"after", "move_to", "settle", "missing"}
        wanted = set(FileFields.model_fields) - outside
        return base.fingerprint([self.fields.model_dump(mode="json", include=wanted)]).hex()

    def _selected(self, store: FileStore) -> list[FileInfo]:
        """The files to consider. Raises MissingError if there are none and that is an error."""
        files = find(store, self.fields.path)
        if not files and self.fields.missing == "error":
            raise MissingError(
                "There is no such file",
                where=self.fields.path,
                hint="Check the path; set missing: nothing_new if that is normal",
            )
        for file in files:
            if file.size > self.context.limits.max_file:
                raise LimitError(
                    f"The file has {file.size // 2**20} MiB, "
                    f"more than the {self.context.limits.max_file // 2**20} MiB allowed",
                    where=file.path,
                )
        if files and self.fields.select == "newest":
            return [max(files, key=lambda file: (file.mtime, file.path))]
        return files

    def _settled(
        self, store: FileStore, files: Sequence[FileInfo]
    ) -> tuple[list[FileInfo], list[FileInfo]]:
        """Separate stable files from those still being written."""
        settle = self.fields.settle
        wait = settle if files else 0.0
        if store.is_local and files:
            youngest = time.time() - max(file.mtime for file in files)
            wait = settle if youngest < 0 else max(settle - youngest, 0.0)
        self._sleep(wait)
        if wait == 0.0:
            return list(files), []
        stable: list[FileInfo] = []
        unstable: list[FileInfo] = []
        for file in files:
            (stable if store.stat(file.path) == file else unstable).append(file)
        return stable, unstable

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.context.cancelled():
            time.sleep(min(left, _TICK))

    def _is_known_content(
        self, store: FileStore, file: FileInfo, known: Known, looked: float
    ) -> bool:
        """Whether a file with a new time still has the same content."""
        entry = known.files.get(file.path)
        if entry is None or entry.size != file.size:
            return False
        if not self._has_digest(store, file, entry.digest):
            return False
        known.add(file, entry.digest, looked)
        return True

    def _has_digest(self, store: FileStore, file: FileInfo, digest: str) -> bool:
        with store.open(file) as stream:
            return digest_of(stream) == digest

    def _batches(
        self, store: FileStore, files: Sequence[FileInfo], known: Known, looked: float
    ) -> Iterator[Batch]:
        """All rows of `files`; in incremental reads each file is committed separately."""
        fields = self.fields
        size = sum(file.size for file in files)
        rows = done = 0
        for file in files:
            last: Batch = RowBatch()
            with store.open(file) as stream:
                digest = digest_of(stream)
                for batch in self._batches_of(file, stream):
                    if self.context.cancelled():
                        return
                    if len(last) or last.problems:
                        yield last
                    last = batch
                    rows += len(batch) + len(batch.problems)
                    last.total = batch.total or rows * size // max(done + stream.tell(), 1)
            if store.is_local and store.stat(file.path) != file:
                raise changed(file)
            done += file.size
            known.add(file, digest, looked)
            if file is files[-1]:
                last.end = End.FULL if fields.is_snapshot else End.INCREMENTAL
                last.because, last.total = Proof.END_OF_DATA, rows
                if not rows:
                    last.warnings = [*last.warnings, f"{self._shown(file)} has no rows"]
            if last.end or not fields.is_snapshot:
                last.cursor = known.cursor()
            yield last

    def _batches_of(self, file: FileInfo, stream: BinaryIO) -> Iterator[Batch]:
        with closing(self._documents(file, stream)) as documents:
            for name, form, content in documents:
                with _placed(file):
                    yield from form.batches(
                        content,
                        name=self.name_of(name),
                        batch_size=self.context.limits.batch_size,
                    )

    def _documents(
        self, file: FileInfo, stream: BinaryIO
    ) -> Generator[tuple[str, base.FormatReader, BinaryIO]]:
        """The documents in a file after unpacking: name, reader and content."""
        fields = self.fields
        name = self._shown(file)
        limit = self.context.limits.max_file
        packing = self._packing(file, stream)
        if packing == "gzip":
            inner = name.removesuffix(".gz")
            with closing(gunzipped(stream, limit=limit, where=name)) as content:
                yield name, self._reader(inner), content
        elif packing == "zip":
            for member, content in members(
                stream, fields.member, self._is_wanted, limit=limit, where=name
            ):
                yield f"{name}/{member}", self._reader(member), content
        else:
            yield name, self._reader(file.name), stream

    def _reader(self, name: str) -> base.FormatReader:
        fields = self.fields
        return reader(format_of(name, fields.format), fields).told(self.context)

    def _packing(self, file: FileInfo, stream: BinaryIO) -> str:
        if self.fields.compression != "auto":
            return self.fields.compression
        found = packed_as(stream)
        named_zip = file.name.lower().endswith(".zip")
        if found == "zip" and not named_zip and format_of(file.name, self.fields.format) == "excel":
            return "none"  # most workbooks are themselves zip files
        return found

    def _is_wanted(self, member: str) -> bool:
        """Whether a zip member has the right format, if no pattern selects members."""
        found = known_format(member)
        return found is not None and self.fields.format in (None, found)

    def _shown(self, file: FileInfo) -> str:
        """The shortest unambiguous name of a file, for messages."""
        start = fixed_part(self.fields.path)
        path = PurePosixPath(file.path)
        return str(path.relative_to(start)) if path.is_relative_to(start) else file.name

    def _looked_at(
        self,
        document: tuple[str, base.FormatReader, BinaryIO],
        file: FileInfo,
        facts: dict[str, JsonValue],
        warnings: list[str],
    ) -> CheckResult:
        """Read the first rows of one document and summarise them."""
        name, form, content = document
        batches = form.batches(content, name=self.name_of(name), batch_size=_SAMPLE_ROWS)
        with _placed(file), closing(batches) as found:
            batch = next(found, RowBatch())
        items = list(base.decoded(batch))
        rows = [item for item in items if isinstance(item, Row)]
        problems = [item for item in items if not isinstance(item, Row)]
        if not rows and not problems:
            warnings = [*warnings, f"{name} has no rows"]
        if problems:
            first = problems[0]
            warnings = [*warnings, f"{first.position}: {first.errors[0].message}"]
        warnings = [*warnings, *batch.warnings]
        return CheckResult(
            f"{name} is readable",
            {**facts, **form.facts},
            fields=_fields_of(rows),
            warnings=warnings,
            row_estimate=_estimate(batch, file, form),
        )


class ServerConnector(FileConnector[F], Generic[F]):
    """Base of connectors whose files are on a server; a test gives up after a few seconds."""

    def check(self) -> CheckResult:
        context = self.context
        self.context = brief(context)
        try:
            return super().check()
        finally:
            self.context = context


@contextmanager
def _placed(file: FileInfo) -> Iterator[None]:
    """Add the file to errors that have no location."""
    try:
        yield
    except FatalError as error:
        if error.where:
            raise
        raise type(error)(error.what, where=file.path, hint=error.hint) from None


def _facts_of(files: Sequence[FileInfo]) -> dict[str, JsonValue]:
    if not files:
        return {"files": 0}
    newest = max(files, key=lambda file: (file.mtime, file.path))
    written = datetime.fromtimestamp(newest.mtime, UTC)
    return {
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "newest": newest.path,
        "written": canonical.moment(written, "seconds"),
    }


def _fields_of(rows: Sequence[Row]) -> list[FieldFact]:
    """Every field of the first rows, with its first non-empty value."""
    found: dict[str, FieldFact] = {}
    for row in rows:
        for name, value in row.data.items():
            if name not in found or found[name].example in (None, ""):
                found[name] = FieldFact(name, base.kind(value).split()[-1], value)
    return list(found.values())


def _estimate(batch: Batch, file: FileInfo, form: base.FormatReader) -> int | None:
    if len(batch) < _SAMPLE_ROWS:
        return len(batch)
    if isinstance(total := form.facts.get("rows"), int):
        return total
    average = sum(map(len, batch.raw())) / len(batch) + 1
    return round(file.size / average)
