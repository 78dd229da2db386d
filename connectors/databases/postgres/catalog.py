"""Queries of PostgreSQL's catalogue, and converters of its types."""

from __future__ import annotations

from typing import LiteralString

from connectors.databases import convert

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmloption": "content",
    "synchronize_seqscans": "off",  # rows have the same order every time
    "idle_in_transaction_session_timeout": "0",
}
"""Determine the text of values; set per transaction, which is safe with poolers."""

CONVERTERS: dict[str, convert.Convert] = {
    "bool": convert.boolean,
    "int2": convert.integer,
    "int4": convert.integer,
    "int8": convert.integer,
    "oid": convert.integer,
    "xid": convert.integer,
    "xid8": convert.integer,
    "numeric": convert.decimal,
    "money": convert.decimal,  # selected as numeric
    "float4": convert.double,
    "float8": convert.double,
    "bpchar": convert.padded,
    "date": convert.date,
    "timestamp": convert.timestamp,
    "timestamptz": convert.utc,
    "time": convert.time,
    "timetz": convert.time_with_zone,
    "interval": convert.interval,
    "bytea": convert.hexadecimal,
    "json": convert.json,
    "jsonb": convert.json,
}
"""By name in pg_catalog; all other types are text."""

DESCRIBE: LiteralString = """
WITH RECURSIVE used AS (
    SELECT * FROM pg_catalog.pg_type WHERE oid = ANY(%(oids)s::oid[])
  UNION
    SELECT inner_type.* FROM used
    JOIN pg_catalog.pg_type inner_type
      ON inner_type.oid IN (used.typelem, used.typbasetype) AND inner_type.oid <> used.oid
)
SELECT oid::int8, CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN typname::text END,
       CASE WHEN typinput = 'array_in'::regproc THEN typelem::int8 END,
       typdelim::text, typbasetype::int8
FROM used
"""

FIND_TABLE: LiteralString = """
SELECT relation.oid::int8, namespace.nspname::text
FROM pg_catalog.pg_class relation
JOIN pg_catalog.pg_namespace namespace ON namespace.oid = relation.relnamespace
WHERE relation.relname = %(table)s AND relation.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND CASE WHEN %(schema)s = '' THEN pg_catalog.pg_table_is_visible(relation.oid)
           ELSE namespace.nspname = %(schema)s END
"""

TABLE_NAMES: LiteralString = """
SELECT CASE WHEN pg_catalog.pg_table_is_visible(relation.oid) THEN '' ELSE nspname || '.' END
       || relname
FROM pg_catalog.pg_class relation
JOIN pg_catalog.pg_namespace namespace ON namespace.oid = relation.relnamespace
WHERE relation.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
LIMIT 10000
"""

PRIMARY_KEY: LiteralString = """
SELECT attribute.attname::text
FROM pg_catalog.pg_index index
CROSS JOIN unnest(index.indkey::int2[]) WITH ORDINALITY part(attnum, place)
JOIN pg_catalog.pg_attribute attribute
  ON attribute.attrelid = index.indrelid AND attribute.attnum = part.attnum
WHERE index.indrelid = %s AND index.indisprimary
ORDER BY part.place
"""

CLOCK: LiteralString = """
SELECT now() AT TIME ZONE 'UTC', now() AT TIME ZONE coalesce(
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone'), 'UTC')
"""

FORMATTED: LiteralString = """
SELECT pg_catalog.format_type(oid, modifier)
FROM unnest(%s::oid[], %s::int4[]) WITH ORDINALITY described(oid, modifier, place)
ORDER BY place
"""
