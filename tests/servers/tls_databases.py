"""Database servers with TLS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from tests.servers import mariadb as mariadb_server
from tests.servers import postgresql

PASSWORD = "canary-secret"


@contextmanager
def _folder(certificate: trustme.LeafCert, owner: str | None) -> Iterator[tuple[Path, Path, Path]]:
    """A directory of the server's account, and the files of its certificate and key therein."""
    folder = Path(tempfile.mkdtemp(prefix="openregister-tls-"))
    cert, key = folder / "cert.pem", folder / "key.pem"
    try:
        cert.write_bytes(certificate.cert_chain_pems[0].bytes())
        key.write_bytes(certificate.private_key_pem.bytes())
        key.chmod(0o600)
        if owner:
            for path in (folder, cert, key):
                shutil.chown(path, owner)
        yield folder, cert, key
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres(certificate: trustme.LeafCert) -> Iterator[dict[str, Any]]:
    """A document of a PostgreSQL that speaks TLS and wants a password."""
    with _folder(certificate, postgresql.account()) as (folder, cert, key):
        tls = {"ssl": "on", "ssl_cert_file": str(cert), "ssl_key_file": str(key)}
        server = postgresql.prepare(folder, tls, PASSWORD)
        with server.running():
            yield {
                "dialect": "postgresql",
                "host": "localhost",
                "port": server.port,
                "database": "postgres",
                "user": postgresql.OWNER,
                "password": PASSWORD,
                "query": "SELECT 1 AS id",
            }


@contextmanager
def mariadb(certificate: trustme.LeafCert) -> Iterator[dict[str, Any]]:
    """A document of a MariaDB that speaks TLS."""
    with _folder(certificate, None) as (folder, cert, key):
        server = mariadb_server.prepare(folder, f"--ssl-cert={cert}", f"--ssl-key={key}")
        with server.running():
            yield {
                "dialect": "mariadb",
                "host": "localhost",
                "port": server.port,
                "database": "mysql",
                "user": mariadb_server.USER,
                "query": "SELECT 1 AS id",
            }
