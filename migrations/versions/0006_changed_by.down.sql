DELETE FROM openregister.settings WHERE value = 'null'::jsonb;
COMMENT ON COLUMN openregister.settings.value IS NULL;
ALTER TABLE openregister.settings DROP COLUMN changed_by;
ALTER TABLE openregister.schemas DROP COLUMN changed_by;
ALTER TABLE openregister.registers DROP COLUMN changed_by;
ALTER TABLE openregister.sources DROP COLUMN changed_by;
