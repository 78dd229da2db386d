"""pgbouncer before a PostgreSQL server of the tests, on a free port of the loopback address."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.servers.processes import Server, free_port, program


def prepare(folder: Path, port_of_server: int, user: str, mode: str) -> Server:
    """A pooler in `mode` (session, transaction) whose clients all become `user`.

    Few connections to the server, so that in transaction mode the sessions do change hands.
    """
    found = program("pgbouncer", "pgbouncer")
    port, settings = free_port(), folder / "pgbouncer.ini"
    settings.write_text(
        f"""
[databases]
* = host=127.0.0.1 port={port_of_server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {3 if mode == "transaction" else 20}
max_client_conn = 100
server_reset_query = DISCARD ALL
pidfile = {folder / "pid"}
logfile = {folder / "log"}
"""
    )
    account = "postgres" if os.geteuid() == 0 else None  # it refuses to be root
    if account:
        folder.chmod(0o711)
        for path in (folder, settings):
            shutil.chown(path, account)
    return Server([found, "-q", str(settings)], port, account)
