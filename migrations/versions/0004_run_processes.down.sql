ALTER TABLE openregister.runs ALTER COLUMN process TYPE timestamptz USING NULL;
ALTER TABLE openregister.runs RENAME COLUMN process TO process_started;
COMMENT ON COLUMN openregister.runs.process_started
    IS 'Tells a reused pid from the run''s own process';
