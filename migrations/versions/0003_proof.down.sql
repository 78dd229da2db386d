ALTER TABLE openregister.runs
    DROP COLUMN rejected_before,
    DROP COLUMN complete_because;

ALTER TABLE openregister.sources DROP COLUMN findings;
