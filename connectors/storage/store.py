"""Where files are: a directory here or on a server, behind one small interface."""

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
"""What upload programs call a file that is not complete yet."""

_WILD = re.compile(r"[*?\[]")
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file or directory as its store lists it."""

    path: str
    size: int
    mtime: float
    """Seconds since 1970, as far as the store knows."""
    grain: float = 1.0
    """Seconds within which two changes would show the same time."""
    is_directory: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class FileStore(ABC):
    """Files of one place while it is connected. All methods raise ConnectorError."""

    is_local = False
    """Whether files are read in place, and their times come from this machine's clock."""

    @abstractmethod
    def stat(self, path: str) -> FileInfo | None:
        """The file or directory at exactly this path, or None."""

    @abstractmethod
    def entries(self, directory: str) -> Iterable[FileInfo]:
        """What is in a directory; empty where there is none. "" is where paths begin."""

    @abstractmethod
    def open(self, file: FileInfo) -> AbstractContextManager[BinaryIO]:
        """The content of a file, whole, as a stream that can seek; a copy if it is remote."""

    @abstractmethod
    def move(self, path: str, directory: str, name: str) -> None:
        """Put a file into `directory`, made if missing, as `name`; replaces nothing."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is fine."""

    def facts(self) -> dict[str, JsonValue]:
        """What a check tells about the place (server software, host key)."""
        return {}

    def warnings(self) -> list[str]:
        return []


def is_pattern(path: str) -> bool:
    """Whether `path` is a glob; a name with brackets and the like that exists comes first."""
    return _WILD.search(path) is not None


def fixed_part(pattern: str) -> str:
    """The directory before the first wildcard, which names of files are shown relative to."""
    parts = PurePosixPath(pattern).parts
    wild = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return str(PurePosixPath(*parts[:wild])) if wild else ""


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches a glob, whatever its capitals.

    A supplier whose program begins to write ``.CSV`` must not look like one whose files are gone.
    """
    return _compiled(pattern).match(name) is not None


@functools.lru_cache(256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern), re.IGNORECASE)


def find(store: FileStore, path: str) -> list[FileInfo]:
    """Files at `path` or matching it, by path; unfinished, hidden and lock files left out.

    `*` and `?` match within a name, `**` any number of directories; capitals do not count.
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
    # A coarse listing (times in minutes) is good enough to match names, not to see changes.
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
    """Whether a name is one of an upload in progress, a hidden file or an editor's lock."""
    return name.lower().endswith(UNFINISHED) or name.startswith((".", "~$"))


def changed(file: FileInfo) -> RetriableError:
    """The error for a file that was written to while it was read."""
    return RetriableError("The file changed while it was being read", where=file.path)


def temporary() -> BinaryIO:
    """A nameless file on disk for a copy of a remote one; it is gone when it is closed."""
    return tempfile.TemporaryFile(prefix="openregister-")


def free_name(name: str) -> str:
    """Another name for a file whose own is taken in the directory that it is moved to."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{name}"
