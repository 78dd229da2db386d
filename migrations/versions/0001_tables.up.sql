-- The tables of `app.database.tables` and `jobs.tables`. A test proves them equal.

CREATE TABLE openregister.registers (
    id integer GENERATED ALWAYS AS IDENTITY,
    slug text NOT NULL,
    title text NOT NULL,
    description text DEFAULT '' NOT NULL,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_registers PRIMARY KEY (id),
    CONSTRAINT ck_registers_slug CHECK (slug ~ '^[a-z0-9][a-z0-9_-]*$'),
    CONSTRAINT uq_registers_slug UNIQUE (slug)
);

CREATE TABLE openregister.schemas (
    id integer GENERATED ALWAYS AS IDENTITY,
    slug text NOT NULL,
    title text NOT NULL,
    version integer DEFAULT '1' NOT NULL,
    document json NOT NULL,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_schemas PRIMARY KEY (id),
    CONSTRAINT ck_schemas_slug CHECK (slug ~ '^[a-z0-9][a-z0-9_-]*$'),
    CONSTRAINT uq_schemas_slug UNIQUE (slug)
);

CREATE TABLE openregister.schema_versions (
    schema_id integer NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    actor text NOT NULL,
    created timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_schema_versions PRIMARY KEY (schema_id, version),
    CONSTRAINT fk_schema_versions_schema_id FOREIGN KEY (schema_id) REFERENCES openregister.schemas (id) ON DELETE CASCADE
);

CREATE TABLE openregister.register_schemas (
    register_id integer NOT NULL,
    schema_id integer NOT NULL,
    CONSTRAINT pk_register_schemas PRIMARY KEY (register_id, schema_id),
    CONSTRAINT fk_register_schemas_register_id FOREIGN KEY (register_id) REFERENCES openregister.registers (id) ON DELETE CASCADE,
    CONSTRAINT fk_register_schemas_schema_id FOREIGN KEY (schema_id) REFERENCES openregister.schemas (id)
);
CREATE INDEX ix_register_schemas_schema_id ON openregister.register_schemas (schema_id);

CREATE TABLE openregister.sources (
    id integer GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    type text NOT NULL,
    connection jsonb NOT NULL,
    secrets bytea,
    schedule text DEFAULT 'manual' NOT NULL,
    timezone text DEFAULT 'UTC' NOT NULL,
    on_missing text DEFAULT 'keep' NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    status text DEFAULT 'active' NOT NULL,
    status_reason text,
    failures integer DEFAULT '0' NOT NULL,
    cursor jsonb,
    cursor_fingerprint bytea,
    profile jsonb,
    last_sync timestamptz,
    last_full timestamptz,
    last_run_id bigint,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_sources PRIMARY KEY (id),
    CONSTRAINT ck_sources_on_missing CHECK (on_missing IN ('keep', 'delete')),
    CONSTRAINT ck_sources_status CHECK (status IN ('active', 'disabled', 'error')),
    CONSTRAINT ck_sources_enabled CHECK (enabled = (status <> 'disabled')),
    CONSTRAINT uq_sources_name UNIQUE (name)
);
COMMENT ON COLUMN openregister.sources.connection IS 'Connection settings without secrets';
COMMENT ON COLUMN openregister.sources.secrets IS 'Encrypted JSON {dotted field: secret}';
COMMENT ON COLUMN openregister.sources.failures IS 'Failed runs in a row';
COMMENT ON COLUMN openregister.sources.cursor IS 'Where the next incremental read carries on';
COMMENT ON COLUMN openregister.sources.cursor_fingerprint IS 'Mapping and schema the cursor belongs to';
COMMENT ON COLUMN openregister.sources.profile IS 'Its fields and their types when it was last accepted';
COMMENT ON COLUMN openregister.sources.last_sync IS 'End of the last run that finished done or partial';
COMMENT ON COLUMN openregister.sources.last_full IS 'End of the last proven-complete full read';

CREATE TABLE openregister.source_targets (
    source_id integer NOT NULL,
    target smallint NOT NULL,
    register_id integer NOT NULL,
    schema_id integer NOT NULL,
    mapping json NOT NULL,
    CONSTRAINT pk_source_targets PRIMARY KEY (source_id, target),
    CONSTRAINT fk_source_targets_register_schema FOREIGN KEY (register_id, schema_id) REFERENCES openregister.register_schemas (register_id, schema_id),
    CONSTRAINT fk_source_targets_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);
CREATE INDEX ix_source_targets_register_id_schema_id ON openregister.source_targets (register_id, schema_id);
COMMENT ON COLUMN openregister.source_targets.target IS '0 for the first target';

CREATE TABLE openregister.source_state (
    source_id integer NOT NULL,
    name text NOT NULL,
    value bytea NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_source_state PRIMARY KEY (source_id, name),
    CONSTRAINT fk_source_state_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);
COMMENT ON COLUMN openregister.source_state.value IS 'Encrypted JSON, for example a token';

CREATE TABLE openregister.runs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    source_id integer NOT NULL,
    trigger text NOT NULL,
    actor text NOT NULL,
    state text DEFAULT 'running' NOT NULL,
    read bigint DEFAULT '0' NOT NULL,
    created bigint DEFAULT '0' NOT NULL,
    updated bigint DEFAULT '0' NOT NULL,
    unchanged bigint DEFAULT '0' NOT NULL,
    filtered bigint DEFAULT '0' NOT NULL,
    duplicate bigint DEFAULT '0' NOT NULL,
    deleted bigint DEFAULT '0' NOT NULL,
    held bigint DEFAULT '0' NOT NULL,
    errors bigint DEFAULT '0' NOT NULL,
    total bigint,
    complete boolean DEFAULT false NOT NULL,
    "full" boolean DEFAULT true NOT NULL,
    cursor_before jsonb,
    cursor_after jsonb,
    drift jsonb,
    warnings jsonb DEFAULT '[]'::jsonb NOT NULL,
    message text,
    host text NOT NULL,
    pid integer NOT NULL,
    process_started timestamptz,
    lease_until timestamptz NOT NULL,
    cancel_requested boolean DEFAULT false NOT NULL,
    peak_memory bigint,
    started timestamptz DEFAULT now() NOT NULL,
    finished timestamptz,
    CONSTRAINT pk_runs PRIMARY KEY (id),
    CONSTRAINT ck_runs_trigger CHECK ("trigger" IN ('manual', 'cron', 'api')),
    CONSTRAINT ck_runs_state CHECK (state IN ('running', 'done', 'partial', 'held', 'failed', 'crashed', 'cancelled')),
    CONSTRAINT ck_runs_finished CHECK ((state = 'running') = (finished IS NULL)),
    CONSTRAINT ck_runs_invariant CHECK (state NOT IN ('done', 'partial', 'held') OR read = created + updated + unchanged + filtered + duplicate + errors),
    CONSTRAINT fk_runs_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);
CREATE INDEX ix_runs_finished ON openregister.runs (finished);
CREATE INDEX ix_runs_source_id_id ON openregister.runs (source_id, id);
CREATE UNIQUE INDEX uq_runs_running ON openregister.runs (source_id) WHERE state = 'running';
COMMENT ON COLUMN openregister.runs.total IS 'Estimate of the rows in this read';
COMMENT ON COLUMN openregister.runs.process_started IS 'Tells a reused pid from the run''s own process';
COMMENT ON COLUMN openregister.runs.peak_memory IS 'Bytes';

CREATE TABLE openregister.objects (
    uuid uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000),
    run_id bigint,
    register_id integer NOT NULL,
    schema_id integer NOT NULL,
    source_id integer,
    target smallint DEFAULT '0' NOT NULL,
    version integer DEFAULT '1' NOT NULL,
    repeated boolean DEFAULT false NOT NULL,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    deleted timestamptz,
    origin_hash uuid,
    data_hash bytea NOT NULL,
    source_key text COLLATE "C",
    data jsonb NOT NULL,
    CONSTRAINT pk_objects PRIMARY KEY (uuid)
) WITH (fillfactor = 90);
CREATE INDEX ix_objects_register_schema ON openregister.objects (register_id, schema_id, uuid);
CREATE UNIQUE INDEX uq_objects_source_key ON openregister.objects (source_id, target, source_key);
COMMENT ON COLUMN openregister.objects.run_id IS 'The run that wrote this version, if a run did';
COMMENT ON COLUMN openregister.objects.repeated IS 'Its key stood more than once in a read; earlier rows wait for later ones';
COMMENT ON COLUMN openregister.objects.origin_hash IS 'XXH3-128 of raw row, mapping and schema';
COMMENT ON COLUMN openregister.objects.data_hash IS 'SHA-256 of the canonical data';

CREATE TABLE openregister.chains (
    id integer GENERATED ALWAYS AS IDENTITY,
    source_id integer NOT NULL,
    lane smallint NOT NULL,
    source_name text NOT NULL,
    length bigint DEFAULT '0' NOT NULL,
    head bytea NOT NULL,
    CONSTRAINT pk_chains PRIMARY KEY (id),
    CONSTRAINT uq_chains_source_id_lane UNIQUE (source_id, lane)
);
COMMENT ON COLUMN openregister.chains.source_id IS '0: edits that no source made';
COMMENT ON COLUMN openregister.chains.head IS 'Hash of the last entry; the anchor if none';

CREATE TABLE openregister.audit_trails (
    chain_id integer NOT NULL,
    position bigint NOT NULL,
    run_id bigint,
    created timestamptz NOT NULL,
    object_uuid uuid NOT NULL,
    version integer NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    data_hash bytea NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    diff json,
    CONSTRAINT pk_audit_trails PRIMARY KEY (chain_id, position),
    CONSTRAINT ck_audit_trails_action CHECK (action IN ('create', 'update', 'delete', 'restore'))
);
CREATE INDEX ix_audit_trails_created ON openregister.audit_trails USING brin (created);
CREATE INDEX ix_audit_trails_object_uuid ON openregister.audit_trails (object_uuid);
CREATE INDEX ix_audit_trails_run_id ON openregister.audit_trails USING brin (run_id);
COMMENT ON COLUMN openregister.audit_trails.version IS 'Version of the object after the action';
COMMENT ON COLUMN openregister.audit_trails.diff IS '{field: {old, new}}; NULL for a create, the object has it';

CREATE TABLE openregister.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY,
    source_id integer NOT NULL,
    target smallint DEFAULT '0' NOT NULL,
    identity text NOT NULL,
    run_id bigint NOT NULL,
    position text NOT NULL,
    source_key text,
    stage text NOT NULL,
    errors jsonb NOT NULL,
    raw json,
    first_seen timestamptz DEFAULT now() NOT NULL,
    last_seen timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_quarantine PRIMARY KEY (id),
    CONSTRAINT uq_quarantine_source_id_target_identity UNIQUE (source_id, target, identity),
    CONSTRAINT fk_quarantine_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);
CREATE INDEX ix_quarantine_run_id ON openregister.quarantine (run_id);
COMMENT ON COLUMN openregister.quarantine.identity IS 'The key, or a hash of the raw row';
COMMENT ON COLUMN openregister.quarantine.run_id IS 'The run that saw it last';
COMMENT ON COLUMN openregister.quarantine.errors IS '[{path, message, value}]';
COMMENT ON COLUMN openregister.quarantine.raw IS 'The row as the source gave it';

CREATE TABLE openregister.held_deletions (
    source_id integer NOT NULL,
    object_uuid uuid NOT NULL,
    run_id bigint NOT NULL,
    CONSTRAINT pk_held_deletions PRIMARY KEY (source_id, object_uuid),
    CONSTRAINT fk_held_deletions_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);

CREATE TABLE openregister.incidents (
    source_id integer NOT NULL,
    kind text NOT NULL,
    message text NOT NULL,
    opened timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_incidents PRIMARY KEY (source_id, kind),
    CONSTRAINT ck_incidents_kind CHECK (kind IN ('failing', 'stale')),
    CONSTRAINT fk_incidents_source_id FOREIGN KEY (source_id) REFERENCES openregister.sources (id) ON DELETE CASCADE
);

CREATE TABLE openregister.cron_ticks (
    id bigint GENERATED ALWAYS AS IDENTITY,
    started timestamptz DEFAULT now() NOT NULL,
    finished timestamptz,
    host text NOT NULL,
    pid integer NOT NULL,
    jobs integer DEFAULT '0' NOT NULL,
    failed integer DEFAULT '0' NOT NULL,
    CONSTRAINT pk_cron_ticks PRIMARY KEY (id)
);
CREATE INDEX ix_cron_ticks_started ON openregister.cron_ticks (started);

CREATE TABLE openregister.settings (
    key text NOT NULL,
    value jsonb NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_settings PRIMARY KEY (key)
);

CREATE TABLE openregister.users (
    id integer GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    display_name text DEFAULT '' NOT NULL,
    email text,
    role text NOT NULL,
    password_hash text NOT NULL,
    session_epoch integer DEFAULT '0' NOT NULL,
    failed_logins integer DEFAULT '0' NOT NULL,
    locked_until timestamptz,
    last_login timestamptz,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_role CHECK (role IN ('admin', 'register-admin', 'viewer')),
    CONSTRAINT uq_users_name UNIQUE (name)
);

CREATE TABLE openregister.app_passwords (
    id integer GENERATED ALWAYS AS IDENTITY,
    user_id integer NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    last_used timestamptz,
    revoked timestamptz,
    created timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_app_passwords PRIMARY KEY (id),
    CONSTRAINT uq_app_passwords_user_id_name UNIQUE (user_id, name),
    CONSTRAINT fk_app_passwords_user_id FOREIGN KEY (user_id) REFERENCES openregister.users (id) ON DELETE CASCADE,
    CONSTRAINT uq_app_passwords_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_app_passwords_user_id ON openregister.app_passwords (user_id);

CREATE TABLE openregister.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text,
    handler text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    schedule text,
    timezone text DEFAULT 'UTC' NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    time_insensitive boolean DEFAULT false NOT NULL,
    time_limit integer DEFAULT '14400' NOT NULL,
    max_failures integer,
    next_run timestamptz,
    last_run timestamptz,
    last_state text,
    last_error text,
    failures integer DEFAULT '0' NOT NULL,
    token bigint,
    reserved_at timestamptz,
    reserved_by text,
    reserved_pid integer,
    reserved_process text,
    lease_until timestamptz,
    cancel_requested boolean DEFAULT false NOT NULL,
    created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_time_limit CHECK (time_limit > 0),
    CONSTRAINT ck_jobs_failures CHECK (failures >= 0 AND max_failures > 0),
    CONSTRAINT ck_jobs_reservation CHECK (num_nulls(reserved_at, reserved_by, reserved_pid, reserved_process, lease_until) IN (0, 5) AND (reserved_at IS NULL OR token IS NOT NULL)),
    CONSTRAINT ck_jobs_last_state CHECK (last_state IN ('running', 'done', 'failed', 'crashed', 'cancelled', 'released')),
    CONSTRAINT uq_jobs_key UNIQUE (key)
);
CREATE INDEX ix_jobs_due ON openregister.jobs (next_run, id) WHERE enabled AND reserved_at IS NULL;
CREATE INDEX ix_jobs_reserved ON openregister.jobs (lease_until) WHERE reserved_at IS NOT NULL;
COMMENT ON COLUMN openregister.jobs.key IS 'What there may be one job of, as source:12';
COMMENT ON COLUMN openregister.jobs.schedule IS 'NULL: one-off, removed once done. Opaque to the runner';
COMMENT ON COLUMN openregister.jobs.time_insensitive IS 'Waits for the maintenance window';
COMMENT ON COLUMN openregister.jobs.time_limit IS 'Seconds after which a run is ended by force';
COMMENT ON COLUMN openregister.jobs.max_failures IS 'Gives up after so many in a row; NULL: never';
COMMENT ON COLUMN openregister.jobs.next_run IS 'NULL: nothing planned, or running';
COMMENT ON COLUMN openregister.jobs.last_run IS 'Start of the latest attempt';
COMMENT ON COLUMN openregister.jobs.failures IS 'In a row';
COMMENT ON COLUMN openregister.jobs.token IS 'Latest attempt: job_runs.id, the fencing token';
COMMENT ON COLUMN openregister.jobs.reserved_by IS 'Host of the process that runs it';
COMMENT ON COLUMN openregister.jobs.reserved_process IS 'Tells a reused pid from the process that reserved';

CREATE TABLE openregister.job_runs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    job_id bigint NOT NULL,
    key text,
    handler text NOT NULL,
    state text DEFAULT 'running' NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started timestamptz DEFAULT now() NOT NULL,
    finished timestamptz,
    peak_memory bigint,
    error text,
    result jsonb,
    CONSTRAINT pk_job_runs PRIMARY KEY (id),
    CONSTRAINT ck_job_runs_state CHECK (state IN ('running', 'done', 'failed', 'crashed', 'cancelled', 'released')),
    CONSTRAINT ck_job_runs_finished CHECK ((state = 'running') = (finished IS NULL))
);
CREATE INDEX ix_job_runs_finished ON openregister.job_runs (finished);
CREATE INDEX ix_job_runs_job_id_id ON openregister.job_runs (job_id, id);
COMMENT ON COLUMN openregister.job_runs.peak_memory IS 'Bytes';
COMMENT ON COLUMN openregister.job_runs.result IS 'What the handler gave back';

-- The audit trail is append-only.

CREATE FUNCTION openregister.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'An entry is corrected by a new entry.';
END
$$;

CREATE TRIGGER refuse_change
    BEFORE UPDATE OR DELETE ON openregister.audit_trails
    FOR EACH ROW EXECUTE FUNCTION openregister.refuse_change();

CREATE TRIGGER refuse_truncate
    BEFORE TRUNCATE ON openregister.audit_trails
    FOR EACH STATEMENT EXECUTE FUNCTION openregister.refuse_change();

-- What an object refers to is checked once per statement instead of once per row by foreign keys,
-- which cost more than twice as much as the insert itself (docs/decisions/0008).
CREATE FUNCTION openregister.check_object_references() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named record;
BEGIN
    FOR named IN SELECT DISTINCT source_id, register_id, schema_id FROM fresh LOOP
        PERFORM FROM openregister.register_schemas r
        WHERE r.register_id = named.register_id AND r.schema_id = named.schema_id
        FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('register %s does not hold schema %s',
                                 named.register_id, named.schema_id),
                SCHEMA = 'openregister', TABLE = 'objects',
                CONSTRAINT = 'fk_objects_register_schema';
        END IF;
        PERFORM FROM openregister.sources s WHERE s.id = named.source_id FOR KEY SHARE;
        IF NOT FOUND AND named.source_id IS NOT NULL THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('source %s does not exist', named.source_id),
                SCHEMA = 'openregister', TABLE = 'objects', CONSTRAINT = 'fk_objects_source_id';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TRIGGER check_references_of_new
    AFTER INSERT ON openregister.objects REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION openregister.check_object_references();

-- An object keeps its register and schema for life; its source it can only lose.
CREATE FUNCTION openregister.refuse_new_reference() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    RAISE foreign_key_violation USING
        MESSAGE = 'an object cannot move to another register, schema or source',
        SCHEMA = 'openregister', TABLE = 'objects';
END
$$;

CREATE TRIGGER refuse_new_reference
    AFTER UPDATE OF source_id, register_id, schema_id ON openregister.objects
    FOR EACH ROW
    WHEN ((NEW.source_id IS NOT NULL AND NEW.source_id IS DISTINCT FROM OLD.source_id)
          OR NEW.register_id <> OLD.register_id OR NEW.schema_id <> OLD.schema_id)
    EXECUTE FUNCTION openregister.refuse_new_reference();

-- Objects outlive their source.
CREATE FUNCTION openregister.forget_source() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE openregister.objects SET source_id = NULL WHERE source_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER forget_source
    AFTER DELETE ON openregister.sources
    FOR EACH ROW EXECUTE FUNCTION openregister.forget_source();

-- After the delete has its lock, so that an insert that came first is seen.
CREATE FUNCTION openregister.keep_schema_of_objects() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM openregister.objects
               WHERE register_id = OLD.register_id AND schema_id = OLD.schema_id) THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('register %s still has objects of schema %s',
                             OLD.register_id, OLD.schema_id),
            SCHEMA = 'openregister', TABLE = 'objects',
            CONSTRAINT = 'fk_objects_register_schema';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER keep_schema_of_objects
    AFTER DELETE OR UPDATE OF register_id, schema_id ON openregister.register_schemas
    FOR EACH ROW EXECUTE FUNCTION openregister.keep_schema_of_objects();

-- Not even where triggers are switched off for replication (session_replication_role).
ALTER TABLE openregister.audit_trails ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE openregister.audit_trails ENABLE ALWAYS TRIGGER refuse_truncate;
