"""Objects and rejected rows whose row was not read, overall or within key ranges.

Key ranges are those compared by the source: numbers as numbers, text by code point. A key with any
ambiguity is in no range, so nothing is concluded about it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import sqlalchemy as sa

from app.sync.batch import CoveredKeys, Known, Missing
from app.sync.postgres import statements as sql

# A part containing the separator is escaped (see `canonical.join_key`), which changes its order.
_PART: LiteralString = r"""
CASE WHEN %(parts)s = 1 THEN source_key
     WHEN cardinality(string_to_array(source_key, E'\x1f')) = %(parts)s
      AND strpos(source_key, E'\x1b') = 0
     THEN split_part(source_key, E'\x1f', %(position)s) END
"""

_NUMBERS: LiteralString = f"""
CASE WHEN ({_PART}) ~ '^-?[0-9]{{1,40}}$'
     THEN width_bucket(({_PART})::numeric, %(bounds)s::numeric[]) %% 2 = %(odd)s ELSE false END
"""
_TEXTS: LiteralString = f"""
width_bucket(({_PART}) COLLATE "C", %(bounds)s::text[]) %% 2 = %(odd)s
"""

_COPY: LiteralString = """
COPY (SELECT seq, uuid, version, encode(data_hash, 'hex'), target
      FROM openregister.objects
      WHERE source_id = %(source)s AND target = %(target)s AND deleted IS NULL
        AND run_id IS DISTINCT FROM %(run)s AND {}) TO STDOUT
"""
_COPY_NUMBERS, _COPY_TEXTS = _COPY.format(_NUMBERS), _COPY.format(_TEXTS)

# Rows seen again have the number of this run.
_RELEASE: LiteralString = """
DELETE FROM openregister.quarantine
WHERE source_id = %(source)s AND target = %(target)s AND run_id < %(run)s AND {}
"""
_RELEASE_NUMBERS, _RELEASE_TEXTS = _RELEASE.format(_NUMBERS), _RELEASE.format(_TEXTS)


_REJECTED: LiteralString = """
SELECT target, identity FROM openregister.quarantine
WHERE source_id = %(source)s AND target = %(target)s AND {}
"""
_REJECTED_NUMBERS, _REJECTED_TEXTS = _REJECTED.format(_NUMBERS), _REJECTED.format(_TEXTS)


def anywhere(
    engine: sa.Engine, source_id: int, run_id: int, seen: Container[int]
) -> Iterator[Missing]:
    """The source's live objects that the run has neither written nor seen; `seen` has numbers."""
    return _unmet(engine, sql.COPY_LIVE, (source_id, run_id), seen)


def within(
    engine: sa.Engine, source_id: int, run_id: int, seen: Container[int], keys: CoveredKeys
) -> Iterator[Missing]:
    """The same for objects with covered keys only."""
    statement = _COPY_NUMBERS if keys.numeric else _COPY_TEXTS
    return _unmet(engine, statement, _parameters(source_id, run_id, keys), seen)


def _unmet(
    engine: sa.Engine, statement: LiteralString, parameters: Any, seen: Container[int]
) -> Iterator[Missing]:
    """The objects of a COPY whose numbers `seen` lacks; mostly only the number is parsed."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        with raw.cursor() as cursor, cursor.copy(statement, parameters) as lines:
            for line in lines:
                seq, _, rest = bytes(line).partition(b"\t")
                if int(seq) not in seen:
                    uuid, version, data_hash, target = rest.decode().split("\t")
                    yield Missing(UUID(uuid), int(version), bytes.fromhex(data_hash), int(target))


def live_totals(engine: sa.Engine, source_id: int, run_id: int) -> tuple[int, int]:
    """Number and sum of the sequence numbers of live objects that the run did not create."""
    with engine.connect() as connection:
        row = connection.exec_driver_sql(sql.LIVE_TOTALS, (source_id, run_id)).one()
    return row[0], row[1]


def count_live(engine: sa.Engine, source_id: int) -> int:
    """How many live objects the source owns."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(sql.COUNT_LIVE, (source_id,)).scalar_one())


def empties(connection: psycopg.Connection[Any], source_id: int, gone: Sequence[Known]) -> bool:
    """Whether the source would have no live object left without these."""
    row = connection.execute(sql.EMPTIES, (source_id, [known.uuid for known in gone])).fetchone()
    assert row is not None  # EXISTS always returns a row
    return bool(row[0])


def release(engine: sa.Engine, source_id: int, run_id: int, covered: Sequence[CoveredKeys]) -> None:
    """Remove rows with covered keys that were not read again from the quarantine."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        with raw.transaction():
            for keys in covered:
                statement = _RELEASE_NUMBERS if keys.numeric else _RELEASE_TEXTS
                raw.execute(statement, _parameters(source_id, run_id, keys))


def releasable(
    engine: sa.Engine, source_id: int, covered: Sequence[CoveredKeys]
) -> Iterator[tuple[int, str]]:
    """Target and identity of the rows with covered keys that are in quarantine."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        for keys in covered:
            statement = _REJECTED_NUMBERS if keys.numeric else _REJECTED_TEXTS
            for row in raw.execute(statement, _parameters(source_id, 0, keys)):
                yield row[0], row[1]


def _parameters(source_id: int, run_id: int, keys: CoveredKeys) -> dict[str, Any]:
    return {
        "source": source_id,
        "run": run_id,
        "target": keys.target,
        "position": keys.position,
        "parts": keys.parts,
        "bounds": list(keys.bounds),
        "odd": keys.odd,
    }
