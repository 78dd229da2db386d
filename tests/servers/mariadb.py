"""MariaDB servers of the tests' own, on free ports of the loopback address."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.processes import Server, free_port, program

USER = "root"  # without a password


def prepare(folder: Path, *options: str) -> Server:
    """A new server in `folder`; `options` are mariadbd's. Without TLS, unless they give it."""
    install = program("mariadb-install-db", "MariaDB")
    mariadbd = program("mariadbd", "MariaDB")
    me = ["--user=root"] if os.geteuid() == 0 else []
    data = f"--datadir={folder / 'data'}"
    subprocess.run(
        [
            *(install, "--no-defaults", data, "--skip-test-db", *me),
            "--auth-root-authentication-method=normal",
        ],
        check=True,
        capture_output=True,
    )
    port = free_port()
    command = [
        *(mariadbd, "--no-defaults", data, *me, f"--port={port}", "--bind-address=127.0.0.1"),
        "--skip-name-resolve",
        # a path of its own may be too long for a socket; nobody uses this one
        f"--socket={port}.sock",
        f"--pid-file={folder / 'pid'}",
        *("--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
        *(options or ["--skip-ssl"]),
    ]
    return Server(command, port)
