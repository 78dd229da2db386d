"""Files on this machine: a path or a glob, in every format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from pydantic import Field

from connectors.formats import FileFields
from connectors.storage.local import LocalStore
from connectors.storage.source import FileConnector
from connectors.storage.store import FileStore


class FilesConfig(FileFields):
    """Files on the machine that runs the sync."""

    settle: float = Field(
        0.5,
        ge=0,
        le=60,
        description="Seconds during which a new file must be unchanged before it is read",
    )


class FilesConnector(FileConnector[FilesConfig]):
    """Reads local files. See docs/connectors/files.md."""

    type: ClassVar[str] = "files"
    title: ClassVar[str] = "Files"
    summary: ClassVar[str] = "CSV, JSON, NDJSON, XML or Excel files on this machine"
    Config = FilesConfig

    @property
    def fields(self) -> FileFields:
        return self.config

    @contextmanager
    def connect(self) -> Iterator[FileStore]:
        yield LocalStore(self.context.policy)
