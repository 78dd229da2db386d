-- Columns with constant defaults: no table is rewritten, running syncs only wait for the lock.

ALTER TABLE openregister.sources
    ADD COLUMN findings jsonb NOT NULL DEFAULT '{}'::jsonb;

ALTER TABLE openregister.runs
    ADD COLUMN complete_because text,
    ADD COLUMN rejected_before bigint NOT NULL DEFAULT '0';

COMMENT ON COLUMN openregister.sources.findings
    IS 'What reads found out about its form, such as where the rows are';
COMMENT ON COLUMN openregister.runs.complete_because
    IS 'The evidence that the read was complete';
COMMENT ON COLUMN openregister.runs.rejected_before
    IS 'Rows rejected by earlier runs that are still in quarantine';
