"""Queries of MySQL's catalogue: columns and key of a table, privileges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Run = Callable[..., list[tuple[Any, ...]]]

_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)", re.IGNORECASE)
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<what>\S+) TO ", re.IGNORECASE)
_WRITING = re.compile(
    r"\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DELETE HISTORY|DROP|ALTER|CREATE|INDEX)\b"
)
_OF_THE_SERVER = re.compile(
    r"\b(ALL PRIVILEGES|SUPER|FILE|SHUTDOWN|RELOAD|PROCESS|CREATE USER|GRANT OPTION|SET USER"
    r"|CONNECTION ADMIN|BINLOG (?!MONITOR)\w+|REPLICATION (?!CLIENT)\w+(?: ADMIN)?"
    r"|SYSTEM_\w+|\w+_ADMIN)\b"
)
ENOUGH = "a user with only SELECT is enough"


@dataclass(frozen=True, slots=True)
class MySQLCatalog:
    """`run` runs a statement and returns text; `schema` and `table` may be unquoted."""

    run: Run
    schema: str
    table: str

    def columns(self) -> dict[str, tuple[str, bool]]:
        """Type and nullability of each column by name; empty if the table does not exist."""
        rows = self._columns("column_name, column_type, is_nullable")
        return {name: (type_name, nullable == "YES") for name, type_name, nullable in rows}

    def key(self) -> tuple[list[str], list[str]]:
        """The key of the rows read, and its columns that `SELECT *` omits.

        MariaDB adds the end of a row's validity to the key of a system-versioned table; it is the
        same for all current rows.
        """
        key = self.run(
            "SELECT column_name FROM information_schema.key_column_usage WHERE table_schema = %s"
            " AND table_name = %s AND constraint_name = 'PRIMARY' ORDER BY ordinal_position",
            (self.schema, self.table),
        )
        columns = self._columns("column_name, extra, generation_expression")
        ends = {name for name, _, expression in columns if expression == "ROW END"}
        invisible = {name for name, extra, _ in columns if "INVISIBLE" in extra.upper()}
        known = {name for name, _, _ in columns}  # not those that versioning adds automatically
        own = [name for (name,) in key if name in known - ends]
        return own, [name for name in own if name in invisible]

    def documents(self) -> set[str]:
        """Columns of MariaDB's JSON type, which is LONGTEXT with a check for valid JSON."""
        clauses = self.run(
            "SELECT check_clause FROM information_schema.check_constraints"
            " WHERE constraint_schema = %s AND table_name = %s",
            (self.schema, self.table),
        )
        found = (_JSON_CHECK.fullmatch(clause) for (clause,) in clauses)
        return {match[1].replace("``", "`") for match in found if match}

    def tables(self, database: str) -> list[str]:
        """Names of the tables visible to the user, qualified if in another database."""
        rows = self.run(
            "SELECT IF(table_schema = %s, table_name, CONCAT(table_schema, '.', table_name))"
            " FROM information_schema.tables LIMIT 10000",
            (database,),
        )
        return [name for (name,) in rows]

    def warnings_of_rights(self, user: str) -> Iterator[str]:
        """A warning for each kind of privilege that a source does not need, including roles."""
        for (line,) in self.run("SHOW GRANTS"):
            found = _GRANT.match(line)
            if found is None:
                continue
            rights, what = found["rights"].upper(), found["what"].replace("`", "")
            if line.upper().rstrip().endswith("WITH GRANT OPTION"):
                rights += ", GRANT OPTION"
            if what == "*.*" and (server := _OF_THE_SERVER.search(rights)):
                yield f"The user {user} can change the server ({server[0]}): {ENOUGH}"
                return
            if _WRITING.search(rights) and self._concerns(what):
                yield f"The user {user} can change data: {ENOUGH}"
                return

    def _columns(self, names: str) -> Sequence[tuple[Any, ...]]:
        return self.run(
            f"SELECT {names} FROM information_schema.columns"  # noqa: S608  (names are ours)
            " WHERE table_schema = %s AND table_name = %s",
            (self.schema, self.table),
        )

    def _concerns(self, what: str) -> bool:
        """Whether a grant on `what` covers our schema; it may contain patterns."""
        schema = what.partition(".")[0].replace("\\_", "_")
        pattern = re.escape(schema).replace("%", ".*")
        return schema == "*" or re.fullmatch(pattern, self.schema, re.IGNORECASE) is not None
