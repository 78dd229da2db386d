"""Privileges of the source's role beyond reading, and whether it sees every row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from connectors.sdk.counting import counted
from connectors.sdk.rows import JsonValue

Fetch = Callable[[Any], list[tuple[Any, ...]]]

LAG = timedelta(minutes=1)
"""A standby further behind causes a warning."""

_ROLE: LiteralString = """
SELECT rolname::text, rolsuper, rolreplication, rolcreaterole OR rolcreatedb,
       ARRAY(SELECT member.rolname::text FROM pg_catalog.pg_roles member
             WHERE member.rolname IN ('pg_write_all_data', 'pg_read_server_files',
                   'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend')
               AND pg_has_role(member.oid, 'MEMBER') ORDER BY 1),
       (SELECT count(*) FROM pg_catalog.pg_class relation
        WHERE relation.relkind IN ('r', 'p') AND relation.relnamespace NOT IN (
              SELECT oid FROM pg_catalog.pg_namespace
              WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname LIKE 'pg\\_toast%')
          AND has_table_privilege(relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
FROM pg_catalog.pg_roles WHERE rolname = current_user
"""
_STANDBY: LiteralString = """
SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery()
       THEN clock_timestamp() - pg_last_xact_replay_timestamp() END
"""
ENOUGH = "a role with CONNECT, USAGE and SELECT is enough"


def of_role(fetch: Fetch, table: int | None) -> list[str]:
    """A warning for each privilege that a source does not need; `table`: oid of its table."""
    ((user, superuser, replication, creates, roles, writable),) = fetch(_ROLE)
    if superuser:
        warning = (
            f"{user} is a superuser, whose queries can change the server even in a read-only "
            f"transaction (replication slots, files, other sessions): {ENOUGH}"
        )
        return [warning]
    warnings = []
    if replication:
        warnings.append(
            f"{user} has REPLICATION: even in a read-only transaction it can create replication "
            f"slots, which retain write-ahead log until the disk is full; {ENOUGH}"
        )
    if roles:
        warnings.append(f"{user} is a member of {', '.join(roles)}: {ENOUGH}")
    if creates:
        warnings.append(f"{user} can create roles or databases: {ENOUGH}")
    own = table is not None and fetch(
        sql.SQL("SELECT has_table_privilege({}::oid, 'INSERT, UPDATE, DELETE, TRUNCATE')").format(
            sql.Literal(table)
        )
    ) == [(True,)]
    if own:
        warnings.append(f"The user {user} can change this table: read-only access is enough")
    elif writable:
        warnings.append(
            f"{user} can change {counted(writable, 'table')} of this database: {ENOUGH}"
        )
    return warnings


def hidden_rows(connection: psycopg.Connection[Any], source: sql.Composable, user: str) -> str:
    """A warning if row-level security hides rows of a table, view or query; else ''.

    With row_security off, PostgreSQL refuses to plan a query that a policy would filter.
    """
    explain = sql.SQL("EXPLAIN SELECT * FROM {}").format(source)
    connection.execute("SAVEPOINT openregister_policies")
    try:
        connection.execute("SET LOCAL row_security = off")
        connection.execute(explain)
    except psycopg.errors.InsufficientPrivilege as error:
        if "row-level security" not in str(error):
            raise
        return f"Row-level security hides rows from {user}; hidden rows count as deleted"
    finally:
        connection.execute("ROLLBACK TO SAVEPOINT openregister_policies")
    return ""


def of_standby(fetch: Fetch) -> tuple[dict[str, JsonValue], Sequence[str]]:
    """Facts and warnings about a standby server."""
    ((standby, behind),) = fetch(_STANDBY)
    if not standby:
        return {}, ()
    facts: dict[str, JsonValue] = {"standby": True}
    if behind is None:
        return facts, ["This is a standby that does not report how far it is behind its primary"]
    facts["behind_seconds"] = round(behind.total_seconds())
    if behind < LAG:
        return facts, ()
    warning = (
        f"This is a standby whose last change is {round(behind.total_seconds()):,} seconds old: "
        "rows that were added or changed since are not read, and rows removed since still are"
    )
    return facts, [warning]
