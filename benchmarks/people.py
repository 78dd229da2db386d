"""The rows of every benchmark: people, 8 columns, the same in every kind of source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import md5
from typing import Any

FIELDS = ("id", "code", "name", "age", "amount", "active", "born", "email")
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "code": {"type": "string"},
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "amount": {"type": "number"},
        "active": {"type": "boolean"},
        "born": {"type": "string", "format": "date"},
        "email": {"type": "string", "format": "email"},
    },
    "required": ["id", "code"],
}
MAPPING = {"key": "id", "fields": {name: name for name in FIELDS}}

_TABLE = """
CREATE TABLE {table} AS
SELECT g::bigint AS id, md5(g::text) AS code, 'Name ' || g AS name, (g % 100)::int AS age,
       round((g * 1.37)::numeric, 2) AS amount, g % 2 = 0 AS active,
       date '2020-01-01' + (g % 1000)::int AS born, 'user' || g || '@example.org' AS email
FROM generate_series(1, {rows}) g
"""


def table(rows: int, name: str = "people") -> list[str]:
    """The statements that create a table of that many people."""
    return [
        _TABLE.format(table=name, rows=rows),
        f"ALTER TABLE {name} ADD PRIMARY KEY (id)",
        f"VACUUM ANALYZE {name}",
    ]


def rows(count: int) -> Iterator[dict[str, Any]]:
    """The same people as JSON-compatible Python objects."""
    first = date(2020, 1, 1)
    for number in range(1, count + 1):
        yield {
            "id": number,
            "code": md5(str(number).encode(), usedforsecurity=False).hexdigest(),
            "name": f"Name {number}",
            "age": number % 100,
            "amount": number * 137 / 100,
            "active": number % 2 == 0,
            "born": (first + timedelta(days=number % 1000)).isoformat(),
            "email": f"user{number}@example.org",
        }
