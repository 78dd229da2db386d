-- Views for direct SQL. They are read with the rights of their owner, who is the owner of the
-- tables: who may read a view needs no right on any table, and gets none. What is or could be a
-- secret is no column of them: connections, encrypted secrets, cursors, arguments of jobs, users.

CREATE TABLE openregister.reporting_views (
    register_id integer NOT NULL,
    schema_id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_reporting_views PRIMARY KEY (register_id, schema_id),
    CONSTRAINT uq_reporting_views_name UNIQUE (name)
);
COMMENT ON COLUMN openregister.reporting_views.name IS 'In the PostgreSQL schema openregister_reporting';

CREATE TABLE openregister.reporting_grants (
    register_id integer NOT NULL,
    role text NOT NULL,
    CONSTRAINT pk_reporting_grants PRIMARY KEY (register_id, role),
    CONSTRAINT fk_reporting_grants_register_id FOREIGN KEY (register_id) REFERENCES openregister.registers (id) ON DELETE CASCADE
);
COMMENT ON COLUMN openregister.reporting_grants.role IS 'A role of the server that reads the views of this register alone';

CREATE SCHEMA IF NOT EXISTS openregister_reporting;
COMMENT ON SCHEMA openregister_reporting IS 'Open Register: views for reports. Their names and columns are kept; the tables behind them may change';

-- A value of an object as the type of its column, or NULL where it is of another type: an object
-- that was stored under an earlier version of its schema never breaks a report. Each is a single
-- expression, which the planner puts into the query.

CREATE FUNCTION openregister.reporting_integer(value jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN
        CASE WHEN value::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
                  AND value::numeric = trunc(value::numeric)
             THEN value::numeric::bigint END
    END;

CREATE FUNCTION openregister.reporting_number(value jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END;

CREATE FUNCTION openregister.reporting_boolean(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'boolean' THEN value::boolean END;

CREATE FUNCTION openregister.reporting_json(value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN nullif(value, 'null'::jsonb);

-- The days that there are: of 31, of 30, of 28, and 29 February of leap years. No cast that
-- follows can fail.
CREATE FUNCTION openregister.reporting_date(value jsonb) RETURNS date
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'string'
        AND (value #>> '{}') ~ '^(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)$'
        AND left(value #>> '{}', 4) <> '0000'
        THEN (value #>> '{}')::date
    END;

-- The same with a time and an offset, as RFC 3339 has it. PostgreSQL knows offsets below 16 hours.
-- Two short patterns are twice as fast as one that holds both.
CREATE FUNCTION openregister.reporting_time(value jsonb) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(value) = 'string'
        AND left(value #>> '{}', 10) ~ '^(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)$'
        AND substr(value #>> '{}', 11) ~ '^[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d(?:\.\d{1,30})?|60)(?:[Zz]|[+-](?:0\d|1[0-5]):[0-5]\d)$'
        AND left(value #>> '{}', 4) <> '0000'
        THEN (value #>> '{}')::timestamptz
    END;

-- A function is called with the rights of whoever reads the view; these only look at their argument.
GRANT EXECUTE ON FUNCTION
    openregister.reporting_integer(jsonb), openregister.reporting_number(jsonb),
    openregister.reporting_boolean(jsonb), openregister.reporting_json(jsonb),
    openregister.reporting_date(jsonb), openregister.reporting_time(jsonb) TO PUBLIC;

CREATE VIEW openregister_reporting.sources AS
SELECT s.id,
       s.name,
       s.type,
       r.slug AS register,
       k.slug AS schema,
       ARRAY(
           SELECT tr.slug || '/' || tk.slug
           FROM openregister.source_targets t
           JOIN openregister.registers tr ON tr.id = t.register_id
           JOIN openregister.schemas tk ON tk.id = t.schema_id
           WHERE t.source_id = s.id
           ORDER BY t.target
       ) AS targets,
       s.schedule,
       s.timezone,
       s.on_missing,
       s.enabled,
       s.status,
       s.status_reason,
       s.failures,
       p.fresh_within,
       CASE WHEN p.fresh_within IS NOT NULL
            THEN coalesce(now() - s.last_sync <= p.fresh_within, false) END AS fresh,
       s.last_sync,
       s.last_full AS last_full_read,
       s.last_run_id,
       s.created,
       s.updated
FROM openregister.sources s
LEFT JOIN openregister.source_targets first ON first.source_id = s.id AND first.target = 0
LEFT JOIN openregister.registers r ON r.id = first.register_id
LEFT JOIN openregister.schemas k ON k.id = first.schema_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.options ->> 'fresh_within' ~* '^\s*\d{1,6}\s*(second|minute|hour|day|week)s?\s*$'
                THEN (s.options ->> 'fresh_within')::interval END AS fresh_within
) p;

COMMENT ON VIEW openregister_reporting.sources IS 'Where objects come from: one row per source, without its connection';
COMMENT ON COLUMN openregister_reporting.sources.id IS 'Number of the source';
COMMENT ON COLUMN openregister_reporting.sources.name IS 'Name, as commands and the other views have it';
COMMENT ON COLUMN openregister_reporting.sources.type IS 'Connector: rest, files, database, …';
COMMENT ON COLUMN openregister_reporting.sources.register IS 'Register that it writes to; of several targets the first';
COMMENT ON COLUMN openregister_reporting.sources.schema IS 'Schema of the objects it writes; of several targets the first';
COMMENT ON COLUMN openregister_reporting.sources.targets IS 'All its targets as register/schema, in their order';
COMMENT ON COLUMN openregister_reporting.sources.schedule IS 'When it runs: manual, every N minutes, hourly, daily, or a cron expression';
COMMENT ON COLUMN openregister_reporting.sources.timezone IS 'IANA time zone in which the schedule is read';
COMMENT ON COLUMN openregister_reporting.sources.on_missing IS 'What becomes of objects that the source no longer has: keep or delete';
COMMENT ON COLUMN openregister_reporting.sources.enabled IS 'Whether it may run';
COMMENT ON COLUMN openregister_reporting.sources.status IS 'active, disabled or error';
COMMENT ON COLUMN openregister_reporting.sources.status_reason IS 'Why it is in error';
COMMENT ON COLUMN openregister_reporting.sources.failures IS 'Failed runs in a row';
COMMENT ON COLUMN openregister_reporting.sources.fresh_within IS 'Promise: synced at least once in every span of this length. NULL: none';
COMMENT ON COLUMN openregister_reporting.sources.fresh IS 'Whether the promise is kept at this moment. NULL: there is none';
COMMENT ON COLUMN openregister_reporting.sources.last_sync IS 'End of the last run that finished, with row errors or without. NULL: never';
COMMENT ON COLUMN openregister_reporting.sources.last_full_read IS 'End of the last run that is proven to have read everything';
COMMENT ON COLUMN openregister_reporting.sources.last_run_id IS 'Its latest run, see runs.id';
COMMENT ON COLUMN openregister_reporting.sources.created IS 'When it was added';
COMMENT ON COLUMN openregister_reporting.sources.updated IS 'When its definition was changed last';

CREATE VIEW openregister_reporting.runs AS
SELECT u.id,
       s.name AS source,
       u.trigger,
       u.actor,
       u.state,
       u.started,
       u.finished,
       extract(epoch FROM u.finished - u.started) AS duration_seconds,
       u.read,
       u.created,
       u.updated,
       u.unchanged,
       u.filtered,
       u.duplicate,
       u.errors,
       u.deleted,
       u.held,
       u.complete,
       u."full" AS full_read,
       u.message,
       u.warnings,
       u.drift,
       u.host,
       u.peak_memory AS peak_memory_bytes
FROM openregister.runs u
JOIN openregister.sources s ON s.id = u.source_id;

COMMENT ON VIEW openregister_reporting.runs IS 'One row per sync of a source. read = created + updated + unchanged + filtered + duplicate + errors, once it finished';
COMMENT ON COLUMN openregister_reporting.runs.id IS 'Number of the run';
COMMENT ON COLUMN openregister_reporting.runs.source IS 'Name of the source';
COMMENT ON COLUMN openregister_reporting.runs.trigger IS 'What started it: manual, cron or api';
COMMENT ON COLUMN openregister_reporting.runs.actor IS 'Who started it';
COMMENT ON COLUMN openregister_reporting.runs.state IS 'running, done, partial (with row errors), held (waits for approval), failed, crashed or cancelled';
COMMENT ON COLUMN openregister_reporting.runs.started IS 'When it began';
COMMENT ON COLUMN openregister_reporting.runs.finished IS 'When it ended. NULL: it still runs';
COMMENT ON COLUMN openregister_reporting.runs.duration_seconds IS 'From started to finished, in seconds. NULL: it still runs';
COMMENT ON COLUMN openregister_reporting.runs.read IS 'Rows read from the source';
COMMENT ON COLUMN openregister_reporting.runs.created IS 'Rows that became new objects';
COMMENT ON COLUMN openregister_reporting.runs.updated IS 'Rows that changed an object';
COMMENT ON COLUMN openregister_reporting.runs.unchanged IS 'Rows that changed nothing';
COMMENT ON COLUMN openregister_reporting.runs.filtered IS 'Rows that the filter left out';
COMMENT ON COLUMN openregister_reporting.runs.duplicate IS 'Rows whose key stood in a later row again, which won';
COMMENT ON COLUMN openregister_reporting.runs.errors IS 'Rows that were rejected, see quarantine';
COMMENT ON COLUMN openregister_reporting.runs.deleted IS 'Objects deleted because the source no longer had them';
COMMENT ON COLUMN openregister_reporting.runs.held IS 'Deletions that wait for approval';
COMMENT ON COLUMN openregister_reporting.runs.complete IS 'Whether the read is proven to have been complete';
COMMENT ON COLUMN openregister_reporting.runs.full_read IS 'Whether it read from the beginning, not from where an earlier run had stopped';
COMMENT ON COLUMN openregister_reporting.runs.message IS 'What went wrong, or is worth saying';
COMMENT ON COLUMN openregister_reporting.runs.warnings IS 'Array of texts: what wants attention though the run went on';
COMMENT ON COLUMN openregister_reporting.runs.drift IS 'How the fields of the source differ from those last accepted';
COMMENT ON COLUMN openregister_reporting.runs.host IS 'Machine it ran on';
COMMENT ON COLUMN openregister_reporting.runs.peak_memory_bytes IS 'Most memory its process used, in bytes';

CREATE VIEW openregister_reporting.objects AS
SELECT o.uuid,
       r.slug AS register,
       k.slug AS schema,
       s.name AS source,
       o.target,
       o.source_key AS key,
       o.version,
       o.created,
       o.updated,
       o.deleted,
       o.run_id,
       o.data
FROM openregister.objects o
LEFT JOIN openregister.registers r ON r.id = o.register_id
LEFT JOIN openregister.schemas k ON k.id = o.schema_id
LEFT JOIN openregister.sources s ON s.id = o.source_id;

COMMENT ON VIEW openregister_reporting.objects IS 'Every object of every register, deleted ones too. The views register__schema have a column per property';
COMMENT ON COLUMN openregister_reporting.objects.uuid IS 'Identity of the object, for good';
COMMENT ON COLUMN openregister_reporting.objects.register IS 'Register that it is in';
COMMENT ON COLUMN openregister_reporting.objects.schema IS 'Schema that it satisfies';
COMMENT ON COLUMN openregister_reporting.objects.source IS 'Source that it comes from. NULL: made by a person, or its source was deleted';
COMMENT ON COLUMN openregister_reporting.objects.target IS 'Which target of the source wrote it; 0 for the first. With source and key it names one object';
COMMENT ON COLUMN openregister_reporting.objects.key IS 'Its key at the source';
COMMENT ON COLUMN openregister_reporting.objects.version IS '1 when created, one more with every change';
COMMENT ON COLUMN openregister_reporting.objects.created IS 'When it was created here';
COMMENT ON COLUMN openregister_reporting.objects.updated IS 'When it was changed last';
COMMENT ON COLUMN openregister_reporting.objects.deleted IS 'When it was deleted. NULL: it is live';
COMMENT ON COLUMN openregister_reporting.objects.run_id IS 'The run that wrote this version, see runs.id. NULL: a person did';
COMMENT ON COLUMN openregister_reporting.objects.data IS 'The object itself, as JSON';

CREATE VIEW openregister_reporting.audit AS
SELECT a.chain_id AS chain,
       a.position,
       a.created,
       a.object_uuid,
       r.slug AS register,
       k.slug AS schema,
       o.source_key AS key,
       CASE WHEN c.source_id <> 0 THEN c.source_name END AS source,
       a.run_id,
       a.actor,
       a.action,
       a.version,
       a.diff::jsonb AS changes,
       encode(a.hash, 'hex') AS hash
FROM openregister.audit_trails a
LEFT JOIN openregister.chains c ON c.id = a.chain_id
LEFT JOIN openregister.objects o ON o.uuid = a.object_uuid
LEFT JOIN openregister.registers r ON r.id = o.register_id
LEFT JOIN openregister.schemas k ON k.id = o.schema_id;

COMMENT ON VIEW openregister_reporting.audit IS 'Every change of every object: one row per entry of the audit trail, which can only grow';
COMMENT ON COLUMN openregister_reporting.audit.chain IS 'Chain of hashes that the entry belongs to; a source has one or several';
COMMENT ON COLUMN openregister_reporting.audit.position IS 'Its place in the chain, from 1';
COMMENT ON COLUMN openregister_reporting.audit.created IS 'When it happened';
COMMENT ON COLUMN openregister_reporting.audit.object_uuid IS 'Which object, see objects.uuid';
COMMENT ON COLUMN openregister_reporting.audit.register IS 'Register of the object';
COMMENT ON COLUMN openregister_reporting.audit.schema IS 'Schema of the object';
COMMENT ON COLUMN openregister_reporting.audit.key IS 'Key of the object at its source';
COMMENT ON COLUMN openregister_reporting.audit.source IS 'Source that made the change, by the name it had. NULL: a person did';
COMMENT ON COLUMN openregister_reporting.audit.run_id IS 'Run that made the change, see runs.id. NULL: none; runs are kept for a shorter time';
COMMENT ON COLUMN openregister_reporting.audit.actor IS 'Who made the change, or started the run';
COMMENT ON COLUMN openregister_reporting.audit.action IS 'create, update, delete or restore';
COMMENT ON COLUMN openregister_reporting.audit.version IS 'Version of the object after it';
COMMENT ON COLUMN openregister_reporting.audit.changes IS 'Changed fields as {field: {old, new}}. NULL for a create: the object has them';
COMMENT ON COLUMN openregister_reporting.audit.hash IS 'Hash of the entry, over the one before it';

-- Without the row and the values: fields that the mapping leaves out on purpose stand in them.
CREATE VIEW openregister_reporting.quarantine AS
SELECT q.id,
       s.name AS source,
       q.target,
       q.run_id,
       q.position,
       q.source_key AS key,
       q.stage,
       (
           SELECT jsonb_agg(error.value - 'value' ORDER BY error.place)
           FROM jsonb_array_elements(
               CASE WHEN jsonb_typeof(q.errors) = 'array' THEN q.errors ELSE '[]' END
           ) WITH ORDINALITY AS error (value, place)
           WHERE jsonb_typeof(error.value) = 'object'
       ) AS errors,
       q.first_seen,
       q.last_seen
FROM openregister.quarantine q
JOIN openregister.sources s ON s.id = q.source_id;

COMMENT ON VIEW openregister_reporting.quarantine IS 'Rows that were rejected and are still to be put right, without their content';
COMMENT ON COLUMN openregister_reporting.quarantine.id IS 'Number of the rejected row';
COMMENT ON COLUMN openregister_reporting.quarantine.source IS 'Source that it comes from';
COMMENT ON COLUMN openregister_reporting.quarantine.target IS 'Target of the source that refused it; 0 for the first';
COMMENT ON COLUMN openregister_reporting.quarantine.run_id IS 'Run that met it last, see runs.id';
COMMENT ON COLUMN openregister_reporting.quarantine.position IS 'Where it stands at the source: sheet Persons, row 14; page 3, item 7';
COMMENT ON COLUMN openregister_reporting.quarantine.key IS 'Its key, where it has one';
COMMENT ON COLUMN openregister_reporting.quarantine.stage IS 'What refused it: read, filter, map, key, coerce or validate';
COMMENT ON COLUMN openregister_reporting.quarantine.errors IS 'What was wrong, as [{path, message}]';
COMMENT ON COLUMN openregister_reporting.quarantine.first_seen IS 'When it was met first';
COMMENT ON COLUMN openregister_reporting.quarantine.last_seen IS 'When it was met last';

CREATE VIEW openregister_reporting.jobs AS
SELECT j.id,
       j.key,
       j.handler,
       s.name AS source,
       j.schedule,
       j.timezone,
       j.enabled,
       j.next_run,
       j.reserved_at IS NOT NULL AS running,
       j.reserved_by AS host,
       j.last_run,
       j.last_state,
       j.last_error,
       j.failures
FROM openregister.jobs j
LEFT JOIN openregister.sources s ON j.key IN ('source:' || s.id, 'source:' || s.id || ':now');

COMMENT ON VIEW openregister_reporting.jobs IS 'Background jobs: what is planned, what runs, how the last attempt ended';
COMMENT ON COLUMN openregister_reporting.jobs.id IS 'Number of the job, as background-job:list has it';
COMMENT ON COLUMN openregister_reporting.jobs.key IS 'What there may be one job of. NULL: any number';
COMMENT ON COLUMN openregister_reporting.jobs.handler IS 'What it does';
COMMENT ON COLUMN openregister_reporting.jobs.source IS 'Source that it syncs, if it does';
COMMENT ON COLUMN openregister_reporting.jobs.schedule IS 'When it is due. NULL: once';
COMMENT ON COLUMN openregister_reporting.jobs.timezone IS 'IANA time zone in which the schedule is read';
COMMENT ON COLUMN openregister_reporting.jobs.enabled IS 'Whether it may run';
COMMENT ON COLUMN openregister_reporting.jobs.next_run IS 'When it is due next. NULL: nothing is planned, or it runs';
COMMENT ON COLUMN openregister_reporting.jobs.running IS 'Whether a process works on it now';
COMMENT ON COLUMN openregister_reporting.jobs.host IS 'Machine of that process';
COMMENT ON COLUMN openregister_reporting.jobs.last_run IS 'When the latest attempt began';
COMMENT ON COLUMN openregister_reporting.jobs.last_state IS 'How it ended: done, failed, crashed, cancelled, released; or running';
COMMENT ON COLUMN openregister_reporting.jobs.last_error IS 'Why it failed';
COMMENT ON COLUMN openregister_reporting.jobs.failures IS 'Failed attempts in a row';
