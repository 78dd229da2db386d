"""Find what a run wrote in the chains by binary search, without reading a long trail."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from app.database.tables import audit_trails

# A source runs once at a time and run ids increase, so run_id never decreases along a chain of
# a source. `low` ends as the last position whose run is at most :run; twenty steps per million.
_LAST = sa.text("""
    WITH RECURSIVE search (chain_id, run_id, low, high) AS (
        SELECT c.id, r.run_id, 0::bigint, c.length
        FROM openregister.chains c CROSS JOIN (VALUES (:run - 1), (:run)) AS r (run_id)
        WHERE c.source_id <> 0
          AND (c.source_id = (SELECT source_id FROM openregister.runs WHERE id = :run)
               OR NOT EXISTS (SELECT FROM openregister.runs WHERE id = :run))
      UNION ALL
        SELECT s.chain_id, s.run_id,
               CASE WHEN e.run_id <= s.run_id THEN s.middle ELSE s.low END,
               CASE WHEN e.run_id <= s.run_id THEN s.high ELSE s.middle - 1 END
        FROM (SELECT *, (low + high + 1) / 2 AS middle FROM search WHERE low < high) s
        LEFT JOIN openregister.audit_trails e
               ON e.chain_id = s.chain_id AND e.position = s.middle
    )
    SELECT chain_id, min(low) AS low, max(low) AS high
    FROM search WHERE low = high GROUP BY chain_id HAVING min(low) < max(low) ORDER BY chain_id
    """).bindparams(sa.bindparam("run", type_=sa.BigInteger))


class Span(NamedTuple):
    """Positions above `low` up to and including `high` of a chain."""

    chain_id: int
    low: int
    high: int


def of_run(connection: sa.Connection, run_id: int) -> list[Span]:
    """What a run wrote, in each chain; empty if it wrote nothing.

    Works for a run that retention has deleted: its entries are kept.
    """
    return [Span(*row) for row in connection.execute(_LAST, {"run": run_id})]


def latest_places(spans: list[Span], limit: int) -> sa.Select[tuple[int, int]]:
    """(chain, position) of the last `limit` entries of each span; at least one span is required."""
    given = sa.values(
        sa.column("chain_id", sa.Integer),
        sa.column("low", sa.BigInteger),
        sa.column("high", sa.BigInteger),
        name="span",
    ).data([tuple(span) for span in spans])
    inner = audit_trails.alias()
    latest = (
        sa.select(inner.c.chain_id, inner.c.position)
        .where(
            inner.c.chain_id == given.c.chain_id,
            inner.c.position > given.c.low,
            inner.c.position <= given.c.high,
        )
        .order_by(inner.c.position.desc())
        .limit(limit)
        .lateral()
    )
    return sa.select(latest.c.chain_id, latest.c.position).select_from(
        given.join(latest, sa.true())
    )
