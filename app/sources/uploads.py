"""Files that people upload to be read by a source: kept in the data directory of this host."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

from app.application import Application
from app.errors import UsageError

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
"""The connector that reads a file, by the ending of its name."""

_CHUNK = 2**20


def folder(app: Application) -> Path:
    """Where uploaded files are."""
    return app.settings.data_dir / "uploads"


def connector_for(name: str) -> str:
    """The connector that reads such a file. Raises UsageError for one that none reads."""
    ending = Path(name).suffix.lower()
    if ending not in TYPES:
        raise UsageError(
            f"Nothing here reads files that end in {ending or 'nothing'!r}",
            hint=f"Upload one of: {', '.join(TYPES)}",
        )
    return TYPES[ending]


def store(app: Application, name: str, content: BinaryIO) -> Path:
    """Keep a new file, whole or not at all; where it lies. Raises UsageError."""
    connector_for(name)
    place = folder(app) / secrets.token_hex(8)
    place.mkdir(parents=True, mode=0o700)
    path = place / _safe(name)
    _write(app, path, content)
    return path


def replace(app: Application, path: str, name: str, content: BinaryIO) -> None:
    """Put a newer version in place of an uploaded file. Raises UsageError."""
    if not title(app, path):
        raise UsageError("The source does not read an uploaded file")
    if Path(name).suffix.lower() != Path(path).suffix.lower():
        raise UsageError(
            "The new file is of another kind", hint=f"It has to end in {Path(path).suffix}"
        )
    _write(app, Path(path), content)


def title(app: Application, path: str) -> str:
    """The name of an uploaded file; empty for a path that is none."""
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
                        hint="`config:set source.max_file` allows more",
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
