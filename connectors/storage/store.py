"""The interface to files in a local or remote directory."""

from __future__ import annotations

import fnmatch
import functools
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO

from connectors.sdk import JsonValue, LimitError, RetriableError

UNFINISHED = (".part", ".tmp", ".filepart", ".partial", ".crdownload", ".swp")
"""Suffixes that upload programs use for incomplete files."""

_WILD = re.compile(r"[*?\[]")
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file or directory as listed by its store."""

    path: str
    size: int
    mtime: float
    """Seconds since 1970, with the precision of the store."""
    grain: float = 1.0
    """Two changes within this many seconds may have the same time."""
    is_directory: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class FileStore(ABC):
    """The files of one place while connected. All methods raise ConnectorError."""

    is_local = False
    """Whether files are read in place, with times from this machine's clock."""

    @abstractmethod
    def stat(self, path: str) -> FileInfo | None:
        """The file or directory at exactly this path, or None."""

    @abstractmethod
    def entries(self, directory: str) -> Iterable[FileInfo]:
        """The content of a directory; empty if it does not exist. "" is the root of paths."""

    @abstractmethod
    def open(self, file: FileInfo) -> AbstractContextManager[BinaryIO]:
        """The content of a file as a seekable stream; a copy if it is remote."""

    @abstractmethod
    def move(self, path: str, directory: str, name: str) -> None:
        """Move a file to `directory`, created if missing, as `name`; never replaces a file."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; no error if it no longer exists."""

    def facts(self) -> dict[str, JsonValue]:
        """Information about the server for a check (software, host key)."""
        return {}

    def warnings(self) -> list[str]:
        return []


def is_pattern(path: str) -> bool:
    """Whether `path` is a glob; an existing file of that name takes precedence."""
    return _WILD.search(path) is not None


def fixed_part(pattern: str) -> str:
    """The directory before the first wildcard; file names are shown relative to it."""
    parts = PurePosixPath(pattern).parts
    wild = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return str(PurePosixPath(*parts[:wild])) if wild else ""


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches a glob, ignoring case.

    If a supplier's program starts to write ``.CSV``, its files must not seem to be missing.
    """
    return _compiled(pattern).match(name) is not None


@functools.lru_cache(256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern), re.IGNORECASE)


def find(store: FileStore, path: str) -> list[FileInfo]:
    """Files at `path` or matching it, sorted by path, without unfinished, hidden and lock files.

    `*` and `?` match within a name, `**` any number of directories; case is ignored.
    """
    exact = store.stat(path)
    if exact is not None and not exact.is_directory:
        return [exact]
    if not is_pattern(path):
        return []
    parts = PurePosixPath(path).parts
    start = fixed_part(path)
    rest = parts[len(PurePosixPath(start).parts) :] if start else parts
    found = {file.path: file for file in _matching(store, start, list(rest), _DEEPEST)}
    # A coarse listing (times in minutes) suffices to match names, but not to detect changes.
    exact_files = (
        store.stat(name) or found[name] if found[name].grain > 1 else found[name]
        for name in sorted(found)
    )
    return list(exact_files)


def _matching(store: FileStore, directory: str, parts: list[str], depth: int) -> Iterator[FileInfo]:
    if depth == 0:
        raise LimitError(f"Directories are nested more than {_DEEPEST} deep", where=directory)
    first, *rest = parts
    if first == "**":
        yield from _matching(store, directory, rest or ["*"], depth)
    for entry in store.entries(directory):
        if entry.is_directory:
            if entry.name.startswith("."):
                continue
            if first == "**":
                yield from _matching(store, entry.path, parts, depth - 1)
            elif rest and matches(entry.name, first):
                yield from _matching(store, entry.path, rest, depth - 1)
        elif (
            not rest
            and first != "**"
            and matches(entry.name, first)
            and not is_unfinished(entry.name)
        ):
            yield entry


def is_unfinished(name: str) -> bool:
    """Whether a name is that of an upload in progress, a hidden file or an editor's lock."""
    return name.lower().endswith(UNFINISHED) or name.startswith((".", "~$"))


def changed(file: FileInfo) -> RetriableError:
    """The error for a file that changed while it was read."""
    return RetriableError("The file changed while it was being read", where=file.path)


def temporary() -> BinaryIO:
    """An anonymous temporary file for a copy of a remote one."""
    return tempfile.TemporaryFile(prefix="openregister-")


def free_name(name: str) -> str:
    """An alternative name for a file whose name already exists in the target directory."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{name}"
