-- What ran before knows its process by a moment alone; its lease tells whether it is over.

ALTER TABLE openregister.runs RENAME COLUMN process_started TO process;
ALTER TABLE openregister.runs ALTER COLUMN process TYPE text USING NULL;
COMMENT ON COLUMN openregister.runs.process
    IS 'Boot, pid namespace and start: tells a reused pid apart';
