"""The statements of the bulk writer."""

from __future__ import annotations

from app.database.revision import FENCE
from app.sync.postgres.objects_copy import OBJECT_COLUMNS

# Lookups always probe one index many times. Without statistics (a first load into an empty table)
# the planner would choose a sequential scan and keep it while the table grows. A process that hangs
# in the middle of a batch must not keep its row locks for ever; a lower limit of the server or the
# URL is kept. All settings are sent with BEGIN and end with the transaction, so they also work
# behind a pooler.
_SETTINGS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_material = off; SET LOCAL jit = off;
SELECT set_config('idle_in_transaction_session_timeout', '120s', true)
WHERE current_setting('idle_in_transaction_session_timeout')::interval
      NOT BETWEEN interval '1 ms' AND interval '120 s';
"""

# Its last result is the revision of the database.
BEGIN = f"BEGIN; {_SETTINGS} {FENCE}"
BEGIN_READ_ONLY = f"BEGIN READ ONLY; {_SETTINGS} {FENCE}"

# Keys and hashes are sent as two joined strings and returned as packed numbers: an unchanged batch
# is one row each way. A row written by this run is never "same": it is a repeat.
#
# Most sources send their rows in the same order as last time, and objects created together have
# neighbouring UUIDs (version 7). So if the first and the last key of the batch belong to objects
# created about as far apart as the batch is long, those in between are read at once and joined;
# other keys are looked up individually. This halves the cost of an unchanged batch.
_FIND = r"""
WITH ends AS MATERIALIZED (
       SELECT first.uuid AS low, last.uuid AS high
       FROM (SELECT o.uuid, o.seq FROM openregister.objects o
             WHERE o.source_id = %(source)s AND o.target = %(target)s AND o.source_key = %(first)s
             LIMIT 1) AS first
       CROSS JOIN
            (SELECT o.uuid, o.seq FROM openregister.objects o
             WHERE o.source_id = %(source)s AND o.target = %(target)s AND o.source_key = %(last)s
             LIMIT 1) AS last
       WHERE last.seq - first.seq BETWEEN 0 AND 4 * %(count)s
)
SELECT string_agg(int8send(o.seq), '') FILTER (WHERE same),
       string_agg(int4send(place::int), '') FILTER (WHERE o.uuid IS NULL),
       string_agg(int4send(place::int), '') FILTER (WHERE NOT same AND o.uuid IS NOT NULL),
       array_agg(o.uuid) FILTER (WHERE NOT same AND o.uuid IS NOT NULL)
FROM unnest({keys}, string_to_array(%(hashes)s, ',')::uuid[])
     WITH ORDINALITY AS wanted (key, hash, place)
LEFT JOIN (
       SELECT made.*
       FROM (SELECT o.uuid, o.seq, o.source_id, o.target, o.source_key, o.origin_hash, o.deleted,
                    o.run_id
             FROM openregister.objects o
             WHERE o.uuid BETWEEN (SELECT low FROM ends) AND (SELECT high FROM ends)
             LIMIT 8 * %(count)s) AS made  -- however many others were made meanwhile
       WHERE made.source_id = %(source)s AND made.target = %(target)s
) AS near ON near.source_key = wanted.key
LEFT JOIN LATERAL (
       SELECT o.uuid, o.seq, o.origin_hash, o.deleted, o.run_id
       FROM openregister.objects o
       WHERE near.uuid IS NULL
         AND o.source_id = %(source)s AND o.target = %(target)s AND o.source_key = wanted.key
       LIMIT 1  -- keeps it one probe of the unique index per key, whatever the planner believes
) AS far ON true
CROSS JOIN LATERAL (
       SELECT coalesce(near.uuid, far.uuid), coalesce(near.seq, far.seq),
              coalesce(near.origin_hash, far.origin_hash), coalesce(near.deleted, far.deleted),
              coalesce(near.run_id, far.run_id)
) AS o (uuid, seq, origin_hash, deleted, run_id)
CROSS JOIN LATERAL (
       SELECT o.origin_hash IS NOT DISTINCT FROM wanted.hash AND o.deleted IS NULL
              AND o.run_id IS DISTINCT FROM %(run)s AND o.uuid IS NOT NULL AS same
) AS verdict
"""

FIND = _FIND.format(keys=r"string_to_array(%(keys)s, E'\x1e')")
FIND_BY_LIST = _FIND.format(keys="%(keys)s::text[]")  # for keys that contain the separator

# The objects that differ, with the data to compare and to write the next version.
LOAD = """
SELECT o.uuid, o.seq, o.version, o.data_hash, o.deleted IS NOT NULL, o.repeated, o.run_id,
       o.data::text
FROM unnest(%s::uuid[]) AS wanted (uuid)
JOIN openregister.objects o USING (uuid)
"""

COPY_OBJECTS = f"COPY openregister.objects ({OBJECT_COLUMNS}) FROM STDIN (FORMAT BINARY)"

# The version guards against an edit between our lookup and our write.
UPDATE = """
UPDATE openregister.objects o
SET data = v.data::jsonb, data_hash = v.data_hash, origin_hash = v.origin_hash,
    version = o.version + 1, repeated = v.repeated, deleted = NULL,
    updated = %(moment)s, run_id = %(run)s
FROM unnest(%(uuids)s::uuid[], %(versions)s::int[], %(data)s::text[], %(data_hashes)s::bytea[],
            %(origin_hashes)s::uuid[], %(repeated)s::bool[])
     AS v (uuid, version, data, data_hash, origin_hash, repeated)
WHERE o.uuid = v.uuid AND o.version = v.version
"""

# The source's row changed but the object did not: no version, no audit entry.
TOUCH = """
UPDATE openregister.objects o
SET origin_hash = v.origin_hash
FROM unnest(%s::uuid[], %s::uuid[]) AS v (uuid, origin_hash)
WHERE o.uuid = v.uuid
"""

DELETE = """
UPDATE openregister.objects o
SET deleted = %(moment)s, updated = %(moment)s, version = o.version + 1, run_id = %(run)s
FROM unnest(%(uuids)s::uuid[], %(versions)s::int[]) AS v (uuid, version)
WHERE o.uuid = v.uuid AND o.version = v.version AND o.deleted IS NULL
"""

HOLD = """
INSERT INTO openregister.held_deletions (source_id, object_uuid, run_id)
SELECT %(source)s, uuid, %(run)s FROM unnest(%(uuids)s::uuid[]) AS v (uuid)
ON CONFLICT (source_id, object_uuid) DO UPDATE SET run_id = excluded.run_id
"""

# One line per bad row, however often it is seen.
QUARANTINE = """
INSERT INTO openregister.quarantine AS q
       (source_id, target, identity, run_id, position, source_key, stage, errors, raw)
SELECT %(source)s, %(target)s, v.*
FROM (SELECT identity, %(run)s::bigint, position, source_key, stage, errors::jsonb, raw::json
      FROM unnest(%(identities)s::text[], %(positions)s::text[], %(keys)s::text[],
                  %(stages)s::text[], %(errors)s::text[], %(raws)s::text[])
           AS u (identity, position, source_key, stage, errors, raw)) AS v
ON CONFLICT (source_id, target, identity) DO UPDATE
SET run_id = excluded.run_id, position = excluded.position, source_key = excluded.source_key,
    stage = excluded.stage, errors = excluded.errors, raw = excluded.raw, last_seen = now()
"""

RELEASE = """
DELETE FROM openregister.quarantine
WHERE source_id = %s AND target = %s AND identity = ANY(%s)
"""

# A full read has seen every bad row that still exists.
RELEASE_GONE = "DELETE FROM openregister.quarantine WHERE source_id = %s AND run_id < %s"
RELEASE_HELD = "DELETE FROM openregister.held_deletions WHERE source_id = %s"

# An object whose row was read again must not be deleted by a late approval.
RELEASE_HELD_SEEN = """
DELETE FROM openregister.held_deletions h USING openregister.objects o
WHERE h.source_id = %s AND o.uuid = h.object_uuid AND o.seq = ANY(%s)
"""

# Lock, fence and counters in one: it matches only while the run is ours.
PROGRESS = """
UPDATE openregister.runs
SET read = read + %(read)s, created = created + %(created)s, updated = updated + %(updated)s,
    unchanged = unchanged + %(unchanged)s, filtered = filtered + %(filtered)s,
    duplicate = duplicate + %(duplicate)s, deleted = deleted + %(deleted)s,
    held = held + %(held)s, errors = errors + %(errors)s,
    total = coalesce(%(total)s, total), cursor_after = coalesce(%(cursor)s::jsonb, cursor_after),
    lease_until = greatest(lease_until, now() + interval '2 minutes')
WHERE id = %(run)s AND state = 'running'
RETURNING cancel_requested
"""

CURSOR = """
UPDATE openregister.sources SET cursor = %s::jsonb, cursor_fingerprint = %s WHERE id = %s
"""

# As text lines: for most objects only the leading number is parsed.
COPY_LIVE = """
COPY (SELECT seq, uuid, version, encode(data_hash, 'hex'), target
      FROM openregister.objects
      WHERE source_id = %s AND deleted IS NULL AND run_id IS DISTINCT FROM %s) TO STDOUT
"""

# The same objects as two numbers, including those updated by this run.
LIVE_TOTALS = """
SELECT count(*), coalesce(sum(seq), 0)::int8
FROM openregister.objects
WHERE source_id = %s AND deleted IS NULL AND (run_id IS DISTINCT FROM %s OR version > 1)
"""

COUNT_LIVE = """
SELECT count(*) FROM openregister.objects WHERE source_id = %s AND deleted IS NULL
"""

HAS_OBJECTS = "SELECT EXISTS (SELECT FROM openregister.objects WHERE source_id = %s)"
HAS_HELD = "SELECT EXISTS (SELECT FROM openregister.held_deletions WHERE source_id = %s)"

EMPTIES = """
SELECT NOT EXISTS (SELECT FROM openregister.objects
                   WHERE source_id = %s AND deleted IS NULL AND uuid <> ALL(%s))
"""

REJECTS = "SELECT target, identity FROM openregister.quarantine WHERE source_id = %s LIMIT %s"
