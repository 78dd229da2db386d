"""Files uploaded for a source, stored in the data directory of this host."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

from app.application import Application
from app.errors import UsageError
from app.sources import confinement
from app.sources import store as source_store
from app.sources.model import Source
from connectors.sdk import ConnectorError

TYPES = {
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".xlsb": "excel",
    ".ods": "excel",
    ".csv": "files",
    ".tsv": "files",
    ".json": "files",
    ".ndjson": "files",
    ".jsonl": "files",
    ".xml": "files",
}
"""The connector for a file, by its extension."""

_CHUNK = 2**20


def folder(app: Application) -> Path:
    """The directory of uploaded files."""
    return app.settings.data_dir / "uploads"


def connector_for(name: str) -> str:
    """The connector that reads such a file. Raises UsageError if none does."""
    ending = Path(name).suffix.lower()
    if ending not in TYPES:
        raise UsageError(
            f"Files with the extension {ending or 'nothing'!r} are not supported",
            hint=f"Upload one of: {', '.join(TYPES)}",
        )
    return TYPES[ending]


def store(app: Application, name: str, content: BinaryIO) -> Path:
    """Store a new file atomically; returns its path. Raises UsageError."""
    connector_for(name)
    place = folder(app) / secrets.token_hex(8)
    place.mkdir(parents=True, mode=0o700)
    path = place / _safe(name)
    _write(app, path, content)
    return path


def compare(app: Application, source: Source, path: Path) -> tuple[list[str], list[str]]:
    """The columns that a newer file has in addition, and those that it lacks.

    Nothing if the present file cannot be read. Raises ConnectorError if the newer one cannot.
    """

    def columns(place: str) -> dict[str, None]:
        connection = {**source.connection, "path": place}
        found = confinement.check_draft(app, "", source.type, connection)
        return dict.fromkeys(one.name for one in found.fields)

    newer = columns(str(path))
    try:
        present = columns(str(source.connection["path"]))
    except ConnectorError:
        return [], []
    return [n for n in newer if n not in present], [n for n in present if n not in newer]


def adopt(app: Application, path: str, newer: str) -> None:
    """Put an uploaded file in the place of another one. Raises UsageError."""
    same_type(app, path, newer)
    Path(newer).replace(path)
    discard(app, newer)


def discard(app: Application, path: str) -> None:
    """Remove an uploaded file that no source reads. Raises UsageError."""
    if not title(app, path):
        raise UsageError("This is not an uploaded file")
    Path(path).unlink(missing_ok=True)
    Path(path).parent.rmdir()


def same_type(app: Application, path: str, newer: str) -> None:
    """Raise UsageError unless both are uploaded files of one type."""
    if not title(app, path) or not title(app, newer):
        raise UsageError("The source does not read an uploaded file")
    if Path(newer).suffix.lower() != Path(path).suffix.lower():
        raise UsageError(
            "The new file has another type", hint=f"It must end in {Path(path).suffix}"
        )


def is_used(app: Application, path: str) -> bool:
    """Whether there is no such upload, or a source reads it."""
    if not title(app, path) or not Path(path).is_file():
        return True
    known = app.read(source_store.list_all)
    return any(one.connection.get("path") == path for one in known)


def title(app: Application, path: str) -> str:
    """The name of an uploaded file; empty for any other path."""
    found = Path(path)
    own = path and found.is_absolute() and found.parent.parent == folder(app)
    return found.name if own and ".." not in found.parts else ""


def _write(app: Application, path: Path, content: BinaryIO) -> None:
    most, size = app.instance().source.max_file, 0
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as out:
            while chunk := content.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise UsageError(
                        f"The file is larger than {most:,} bytes",
                        hint="Raise the limit with `config:set source.max_file`",
                    )
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if not size:
            raise UsageError("The file is empty", hint="Choose another one")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _safe(name: str) -> str:
    plain = re.sub(r"[^\w.-]+", "-", Path(name).name).strip("-.")
    return plain[-100:] or "file"
