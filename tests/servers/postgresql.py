"""PostgreSQL servers of the tests' own, of the version that the machine's packages bring."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers.processes import Server, free_port, program

OWNER = "owner"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def account() -> str | None:
    """Who runs the server, which refuses to be root; None: we ourselves."""
    return "postgres" if os.geteuid() == 0 else None


def prepare(
    folder: Path, settings: Mapping[str, str] | None = None, password: str | None = None
) -> Server:
    """A new server in `folder`, whose superuser is `OWNER`; without a password, unless given."""
    initdb, postgres = program("initdb", "PostgreSQL"), program("postgres", "PostgreSQL")
    secret = folder / "password"
    secret.write_text(password or "unused")
    user, data = account(), folder / "data"
    if user:
        for path in (folder, secret):
            shutil.chown(path, user)
    subprocess.run(
        [
            *(initdb, "-D", str(data), "-U", OWNER, "-A", "scram-sha-256" if password else "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--pwfile", str(secret)),
        ],
        user=user,
        check=True,
        capture_output=True,
        cwd=folder,
    )
    port = free_port()
    options = [f"-c{name}={value}" for name, value in (SETTINGS | dict(settings or {})).items()]
    command = [postgres, "-D", str(data), "-p", str(port), *options]
    # it listens a while before it lets anybody in
    ready = [program("pg_isready", "PostgreSQL"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return Server(command, port, user, ready)
