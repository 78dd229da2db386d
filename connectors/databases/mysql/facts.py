"""Facts about a server of MySQL or MariaDB: whether it is a replica, and its TLS."""

from __future__ import annotations

import pymysql
from pymysql.cursors import DictCursor

from connectors.databases import network
from connectors.databases.mysql.connection import Connection
from connectors.databases.mysql.types import text_of
from connectors.databases.reader import ServerFacts
from connectors.databases.settings import DatabaseConfig
from connectors.sdk.net.tls import certificate_facts, expiry_warnings

MOST_BEHIND = 60
"""Seconds that a replica may be behind without a warning."""


def replica_facts(connection: Connection, found: ServerFacts) -> None:
    """Whether this is a replica, and how far behind; not every user may read its status."""
    try:
        with connection.cursor(DictCursor) as cursor:
            cursor.execute("SHOW SLAVE STATUS")
            rows = cursor.fetchall()
    except pymysql.MySQLError:
        return
    if not rows:
        return
    behind = text_of(rows[0].get("Seconds_Behind_Master"))
    found.facts["replica"] = True
    if behind is None:
        found.warnings.append(
            "This is a replica whose replication has stopped: later changes are not read"
        )
        return
    found.facts["behind_seconds"] = int(behind)
    if int(behind) > MOST_BEHIND:
        found.warnings.append(
            f"This is a replica, {int(behind):,} seconds behind: rows that were added or "
            "changed since are not read, and rows that were removed since still are"
        )


def tls_facts(connection: Connection, config: DatabaseConfig, found: ServerFacts) -> None:
    """The TLS of the connection, and warnings where it protects less than it may."""
    der = connection.certificate()
    if der is None:
        found.facts["tls"] = "no"
        found.warnings.extend(network.plain_text_warnings(config.host))
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        ((_, version),) = cursor.fetchall()
    found.facts["tls"] = text_of(version)
    if not (config.tls.required and config.tls.verify):
        found.warnings.append(network.UNVERIFIED)
    found.facts.update(certificate_facts(der))
    found.warnings.extend(expiry_warnings(der))
