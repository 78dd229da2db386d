"""Databases to read from: each test that asks gets one of its own, on a server that runs here."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from psycopg.conninfo import conninfo_to_dict

from app.database.embedded.server import EmbeddedServer
from tests.servers.mariadb import USER

_numbers = itertools.count(1)


@dataclass
class SourceDatabase:
    """A database and how a source document names it."""

    document: dict[str, Any]
    _connect: Any = field(repr=False)

    def run(self, *statements: str) -> None:
        """Execute statements as its owner and commit."""
        with closing(self._connect()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

    def source(self, **fields: Any) -> dict[str, Any]:
        """The connection document of a source that reads from here."""
        return {**self.document, **fields}


@contextmanager
def postgres(url: str) -> Iterator[SourceDatabase]:
    """The database that `url` names; whoever made it drops it."""
    given = conninfo_to_dict(url)
    document = {
        "dialect": "postgresql",
        "host": str(given.get("host") or "localhost"),
        "port": int(str(given.get("port") or 5432)),
        "database": str(given["dbname"]),
        "user": str(given.get("user") or "postgres"),
    }
    if given.get("password"):
        document["password"] = str(given["password"])
    yield SourceDatabase(document, lambda: psycopg.connect(url))


@contextmanager
def postgres_with_passwords(folder: Path) -> Iterator[SourceDatabase]:
    """A server of its own that lets only its owner in without a password."""
    rules = folder / "pg_hba.conf"
    rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    settings = {"fsync": "off", "hba_file": str(rules)}
    folder.chmod(0o755)
    with EmbeddedServer(folder / "data", settings) as url, postgres(url) as found:
        yield found


@contextmanager
def mariadb(port: int) -> Iterator[SourceDatabase]:
    """A database on the MariaDB server that listens there, dropped afterwards."""
    server: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": USER, "password": ""}
    name = f"openregister_test_{os.getpid()}_{next(_numbers)}"
    with closing(pymysql.connect(**server)) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    document = {**server, "dialect": "mariadb", "database": name}

    def connect() -> Any:
        return pymysql.connect(**server, database=name, charset="utf8mb4")

    try:
        yield SourceDatabase(document, connect)
    finally:
        with closing(pymysql.connect(**server)) as connection:
            connection.cursor().execute(f"DROP DATABASE {name}")


@contextmanager
def sqlite(folder: Path) -> Iterator[SourceDatabase]:
    """A SQLite file."""
    path = folder / "source.sqlite"
    yield SourceDatabase(
        {"dialect": "sqlite", "database": str(path)}, lambda: sqlite3.connect(path)
    )
