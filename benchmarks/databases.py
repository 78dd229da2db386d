"""The two databases of a benchmark: source and target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


@dataclass(frozen=True, slots=True)
class Databases:
    """Databases `bench_source` and `bench_target`, with a suffix, on the server of `url`.

    `url` is a postgresql:// address of another database there, whose user may create databases.
    """

    url: str
    suffix: str = ""

    @property
    def names(self) -> list[str]:
        return [f"bench_{name}{self.suffix}" for name in ("source", "target")]

    @property
    def source(self) -> str:
        return self._place(self.names[0])

    @property
    def target(self) -> str:
        return self._place(self.names[1])

    def create(self) -> None:
        """Create both, empty."""
        self.drop()
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in map(sql.Identifier, self.names):
                # template0 is never in use, so that two benchmarks can run at once
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name)
                connection.execute(statement)

    def drop(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in map(sql.Identifier, self.names):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def checkpoint(self) -> None:
        """Let every run start alike: the first change after a checkpoint writes the full page.

        Needs a superuser, or `pg_checkpoint`. Raises psycopg.errors.InsufficientPrivilege.
        """
        execute(self.target, "CHECKPOINT")

    def connection(self) -> dict[str, Any]:
        """The source database as the connection of a source document."""
        given = conninfo_to_dict(self.source)
        found: dict[str, Any] = {
            name: str(given[name]) for name in ("host", "user", "password") if given.get(name)
        }
        if given.get("port"):
            found["port"] = int(str(given["port"]))
        return {"dialect": "postgresql", "database": self.names[0], **found}

    def _place(self, name: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{name}"


def execute(url: str, *statements: str) -> None:
    """Run statements, each in its own transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def count(url: str, table: str, condition: str = "true") -> int:
    """Rows of `schema.table` that match an SQL condition."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE ").format(sql.Identifier(*table.split(".")))
    return int(scalar(url, query + sql.SQL(condition)))


def scalar(url: str, query: str | sql.Composed) -> Any:
    """The one value of the one row of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode() if isinstance(query, str) else query).fetchone()
    assert row is not None  # an aggregate or function always returns a row
    return row[0]
