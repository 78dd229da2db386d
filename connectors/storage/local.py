"""Files on this machine, confined to the directories that the policy allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from connectors.sdk import (
    AccessDeniedError,
    ConfigurationError,
    ConnectorError,
    FatalError,
    MissingError,
    Policy,
)
from connectors.storage.store import FileInfo, FileStore, free_name


class LocalStore(FileStore):
    """The local file system. With `policy.roots`, only files inside them are visible."""

    is_local = True

    def __init__(self, policy: Policy) -> None:
        self._roots = (
            None if policy.roots is None else tuple(root.resolve() for root in policy.roots)
        )

    def stat(self, path: str) -> FileInfo | None:
        allowed = self._allowed(path)
        try:
            return _info(path, allowed.stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _explain(error, path) from None

    def entries(self, directory: str) -> Iterator[FileInfo]:
        allowed = self._allowed(directory or ".")
        try:
            names = sorted(entry.name for entry in allowed.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _explain(error, directory or ".") from None
        for name in names:
            path = Path(directory) / name
            real = path.resolve()
            # Skip links that lead out, sockets and the like.
            if self._is_inside(real) and (real.is_file() or real.is_dir()):
                found = self.stat(str(path))
                if found is not None:
                    yield found

    @contextmanager
    def open(self, file: FileInfo) -> Iterator[BinaryIO]:
        try:
            # Open exactly what was checked: do not follow a link that has replaced it.
            handle = os.open(self._allowed(file.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise _explain(error, file.path) from None
        with os.fdopen(handle, "rb") as stream:
            # The same for parent directories: check where the opened file really is.
            if not self._is_inside(Path(os.path.realpath(f"/proc/self/fd/{stream.fileno()}"))):
                raise _outside(file.path)
            yield stream

    def move(self, path: str, directory: str, name: str) -> None:
        source, target = self._allowed(path), self._allowed(directory)
        try:
            target.mkdir(parents=True, exist_ok=True)
            free = target / name
            if free.exists():
                free = target / free_name(name)
            source.rename(free)
        except OSError as error:
            raise _explain(error, f"{path} to {directory}") from None

    def delete(self, path: str) -> None:
        try:
            self._allowed(path).unlink(missing_ok=True)
        except OSError as error:
            raise _explain(error, path) from None

    def _allowed(self, path: str) -> Path:
        """The real path behind `path`. Raises ConfigurationError if it is outside the roots."""
        resolved = Path(path).resolve()
        if not self._is_inside(resolved):
            raise _outside(path)
        return resolved

    def _is_inside(self, resolved: Path) -> bool:
        return self._roots is None or any(resolved.is_relative_to(root) for root in self._roots)


def _info(path: str, found: os.stat_result) -> FileInfo:
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise FatalError("This is not a regular file", where=path)
    # Two writes within one tick of the kernel's clock show the same time.
    return FileInfo(path, found.st_size, found.st_mtime, 0.02, stat.S_ISDIR(found.st_mode))


def _explain(error: OSError, path: str) -> ConnectorError:
    if isinstance(error, PermissionError):
        return AccessDeniedError(
            "Permission denied",
            where=path,
            hint=f"User {os.geteuid()} on this machine needs read access (and write access to its "
            "directory for after: move or delete)",
        )
    if isinstance(error, FileNotFoundError):
        return MissingError("There is no such file", where=path)
    return FatalError(f"The file system reports: {error.strerror}", where=path)


def _outside(path: str) -> ConfigurationError:
    return ConfigurationError(
        "This source may not read files in this directory",
        where=path,
        hint="Upload the file, or put it into a directory allowed by OPENREGISTER_FILE_ROOTS, "
        "without '..' or links that lead outside",
    )
