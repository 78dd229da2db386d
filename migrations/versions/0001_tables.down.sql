-- The data goes with the tables: take a backup first.

DROP TABLE openregister.job_runs;
DROP TABLE openregister.jobs;
DROP TABLE openregister.app_passwords;
DROP TABLE openregister.users;
DROP TABLE openregister.settings;
DROP TABLE openregister.cron_ticks;
DROP TABLE openregister.incidents;
DROP TABLE openregister.held_deletions;
DROP TABLE openregister.quarantine;
DROP TABLE openregister.audit_trails;
DROP TABLE openregister.chains;
DROP TABLE openregister.objects;
DROP TABLE openregister.runs;
DROP TABLE openregister.source_state;
DROP TABLE openregister.source_targets;
DROP TABLE openregister.sources;
DROP TABLE openregister.register_schemas;
DROP TABLE openregister.schema_versions;
DROP TABLE openregister.schemas;
DROP TABLE openregister.registers;
DROP FUNCTION openregister.refuse_change();
DROP FUNCTION openregister.check_object_references();
DROP FUNCTION openregister.refuse_new_reference();
DROP FUNCTION openregister.forget_source();
DROP FUNCTION openregister.keep_schema_of_objects();
