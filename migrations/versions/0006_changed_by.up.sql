-- Who made the change of `updated`: a form that is older than it says whose work it would overwrite.

ALTER TABLE openregister.sources ADD COLUMN changed_by text DEFAULT '' NOT NULL;
ALTER TABLE openregister.registers ADD COLUMN changed_by text DEFAULT '' NOT NULL;
ALTER TABLE openregister.schemas ADD COLUMN changed_by text DEFAULT '' NOT NULL;
ALTER TABLE openregister.settings ADD COLUMN changed_by text DEFAULT '' NOT NULL;
COMMENT ON COLUMN openregister.settings.value IS 'JSON null: back to the default';
