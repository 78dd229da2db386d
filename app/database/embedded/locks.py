"""The two file locks that let any number of processes share one embedded server.

- `.postgres.users.lock` is held *shared* by every process that uses the server. The kernel
  drops the lock of a process that dies, so a leaving process that could have it *exclusively*
  knows that it was the last one.
- `.postgres.start.lock` is held exclusively while the server is created, started or stopped.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import EmbeddedServerError


class ServerLocks:
    """The locks in one data directory. Raises EmbeddedServerError where it is not ours."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Nobody else creates, starts or stops the server meanwhile."""
        handle = self._open("start")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def join(self) -> int:
        """Become a user of the server until the handle that this returns is closed."""
        handle = self._open("users")
        fcntl.flock(handle, fcntl.LOCK_SH)
        return handle

    def in_use(self) -> bool:
        """Whether any process uses the server. Only to be asked while `starting`."""
        handle = self._open("users")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def _open(self, name: str) -> int:
        path = self._data_dir / f".postgres.{name}.lock"
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise unusable(self._data_dir, error) from error
        if os.geteuid() == 0:  # leave no file that the directory's owner could not open
            owner = self._data_dir.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        return handle


def unusable(data_dir: Path, error: Exception) -> EmbeddedServerError:
    """The error for a data directory that this process cannot work with."""
    return EmbeddedServerError(
        f"The embedded PostgreSQL cannot be used by this account ({error})",
        where=str(data_dir),
        hint=(
            "Run as the account that created the data directory, choose another "
            "OPENREGISTER_DATA_DIR, or set OPENREGISTER_DATABASE_URL to a PostgreSQL server"
        ),
    )
