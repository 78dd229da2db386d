"""The cursor of a file source: which files it has read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

import xxhash

from connectors.sdk import Cursor, JsonValue
from connectors.storage.store import FileInfo

_CHUNK = 1024 * 1024
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of a file when its rows were read."""

    size: int
    mtime: float
    digest: str
    sure: bool
    """Whether an equal time proves an unchanged file: it was not written just before reading."""

    def same_stat(self, file: FileInfo) -> bool:
        return self.sure and self.size == file.size and self.mtime == file.mtime


@dataclass(slots=True)
class Known:
    """Files whose rows are committed. `settings` is a fingerprint of the read settings."""

    settings: str
    files: dict[str, Entry] = field(default_factory=dict)
    existed: bool = False
    """Whether there was a usable cursor."""

    @classmethod
    def parse(cls, cursor: Cursor | None, settings: str) -> Known:
        """The files of a cursor; none if they were read with other settings."""
        if not cursor or cursor.get("v") != _VERSION or cursor.get("settings") != settings:
            return cls(settings)
        listed = cursor.get("files")
        known = cls(settings, existed=True)
        for path, entry in listed.items() if isinstance(listed, dict) else ():
            match entry:
                case [int(size), int() | float() as mtime, str(digest), bool(sure)]:
                    known.files[path] = Entry(size, float(mtime), digest, sure)
        return known

    def cursor(self) -> Cursor:
        files: dict[str, JsonValue] = {
            path: [entry.size, entry.mtime, entry.digest, entry.sure]
            for path, entry in self.files.items()
        }
        return {"v": _VERSION, "settings": self.settings, "files": files}

    def is_same(self, file: FileInfo) -> bool:
        """Whether the file is unchanged judging by size and time alone."""
        entry = self.files.get(file.path)
        return entry is not None and entry.same_stat(file)

    def add(self, file: FileInfo, digest: str, looked: float) -> None:
        """Record a file; `looked` is when its size and time were read, by our clock."""
        sure = abs(looked - file.mtime) > 2 * file.grain
        self.files[file.path] = Entry(file.size, file.mtime, digest, sure)

    def forget_all_but(self, paths: Iterable[str]) -> None:
        kept = set(paths)
        self.files = {path: entry for path, entry in self.files.items() if path in kept}


def digest_of(stream: BinaryIO) -> str:
    """Hash of a stream's content (to detect changes, not forgery); rewinds it."""
    state = xxhash.xxh3_128()
    while chunk := stream.read(_CHUNK):
        state.update(chunk)
    stream.seek(0)
    return state.hexdigest()


def now() -> float:
    return time.time()
