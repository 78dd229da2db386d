-- What every table and column contains, for people who read the database.

COMMENT ON TABLE openregister.app_passwords IS 'Passwords for programs, as hashes';
COMMENT ON COLUMN openregister.app_passwords.id IS 'Number of the password';
COMMENT ON COLUMN openregister.app_passwords.user_id IS 'User that it signs in';
COMMENT ON COLUMN openregister.app_passwords.name IS 'What it is for';
COMMENT ON COLUMN openregister.app_passwords.token_hash IS 'SHA-256 of the password';
COMMENT ON COLUMN openregister.app_passwords.last_used IS 'When it was last used';
COMMENT ON COLUMN openregister.app_passwords.revoked IS 'When it was revoked; NULL while it is valid';
COMMENT ON COLUMN openregister.app_passwords.created IS 'When it was created';

COMMENT ON TABLE openregister.audit_trails IS 'Every change of every object; triggers refuse UPDATE, DELETE and TRUNCATE';
COMMENT ON COLUMN openregister.audit_trails.chain_id IS 'The chain that the entry belongs to';
COMMENT ON COLUMN openregister.audit_trails.position IS 'Place in its chain, from 1';
COMMENT ON COLUMN openregister.audit_trails.run_id IS 'The run that made the change, if a run did';
COMMENT ON COLUMN openregister.audit_trails.created IS 'When the change was made';
COMMENT ON COLUMN openregister.audit_trails.object_uuid IS 'The object that was changed';
COMMENT ON COLUMN openregister.audit_trails.action IS 'create, update, delete or restore';
COMMENT ON COLUMN openregister.audit_trails.actor IS 'Who or what made the change';
COMMENT ON COLUMN openregister.audit_trails.data_hash IS 'SHA-256 of the object''s canonical data after the action';
COMMENT ON COLUMN openregister.audit_trails.prev_hash IS 'Hash of the previous entry; the anchor for the first';
COMMENT ON COLUMN openregister.audit_trails.hash IS 'SHA-256 of the entry, including `prev_hash`';

COMMENT ON TABLE openregister.chains IS 'The head of each chain of audit entries';
COMMENT ON COLUMN openregister.chains.id IS 'Number of the chain';
COMMENT ON COLUMN openregister.chains.lane IS 'Which of the source''s parallel chains, from 0';
COMMENT ON COLUMN openregister.chains.source_name IS 'Name of the source, as of its latest entry';
COMMENT ON COLUMN openregister.chains.length IS 'Number of entries';

COMMENT ON TABLE openregister.cron_ticks IS 'When `background:cron` ran, where and for how long';
COMMENT ON COLUMN openregister.cron_ticks.id IS 'Number of the tick';
COMMENT ON COLUMN openregister.cron_ticks.started IS 'When it began';
COMMENT ON COLUMN openregister.cron_ticks.finished IS 'When it ended; NULL while it runs, or if it was killed';
COMMENT ON COLUMN openregister.cron_ticks.host IS 'Host that it ran on';
COMMENT ON COLUMN openregister.cron_ticks.pid IS 'Process that it ran in';
COMMENT ON COLUMN openregister.cron_ticks.jobs IS 'Jobs that it ran';
COMMENT ON COLUMN openregister.cron_ticks.failed IS 'Jobs of these that failed';

COMMENT ON TABLE openregister.held_deletions IS 'Deletions that wait for approval';
COMMENT ON COLUMN openregister.held_deletions.source_id IS 'Source of the object';
COMMENT ON COLUMN openregister.held_deletions.object_uuid IS 'Object to be deleted';
COMMENT ON COLUMN openregister.held_deletions.run_id IS 'Run that did not see it';

COMMENT ON TABLE openregister.incidents IS 'Current problems that have been reported';
COMMENT ON COLUMN openregister.incidents.source_id IS 'Source with the problem';
COMMENT ON COLUMN openregister.incidents.kind IS 'failing or stale';
COMMENT ON COLUMN openregister.incidents.message IS 'What was reported';
COMMENT ON COLUMN openregister.incidents.opened IS 'When it was first reported';

COMMENT ON TABLE openregister.job_runs IS 'Every attempt to run a job';
COMMENT ON COLUMN openregister.job_runs.id IS 'Number of the attempt, and its fencing token';
COMMENT ON COLUMN openregister.job_runs.job_id IS 'The job';
COMMENT ON COLUMN openregister.job_runs.key IS 'Key of the job';
COMMENT ON COLUMN openregister.job_runs.handler IS 'Function that ran';
COMMENT ON COLUMN openregister.job_runs.state IS 'running, done, failed, crashed, cancelled or released';
COMMENT ON COLUMN openregister.job_runs.host IS 'Host that it ran on';
COMMENT ON COLUMN openregister.job_runs.pid IS 'Process that it ran in';
COMMENT ON COLUMN openregister.job_runs.started IS 'When it began';
COMMENT ON COLUMN openregister.job_runs.finished IS 'When it ended; NULL while it runs';
COMMENT ON COLUMN openregister.job_runs.error IS 'Why it failed';

COMMENT ON TABLE openregister.jobs IS 'Planned jobs, and the processes that run them';
COMMENT ON COLUMN openregister.jobs.id IS 'Number of the job';
COMMENT ON COLUMN openregister.jobs.handler IS 'Function that runs it';
COMMENT ON COLUMN openregister.jobs.arguments IS 'Arguments of the function';
COMMENT ON COLUMN openregister.jobs.timezone IS 'Timezone of the schedule';
COMMENT ON COLUMN openregister.jobs.enabled IS 'False while it is disabled';
COMMENT ON COLUMN openregister.jobs.last_state IS 'How the latest attempt ended';
COMMENT ON COLUMN openregister.jobs.last_error IS 'Why the latest attempt failed';
COMMENT ON COLUMN openregister.jobs.reserved_at IS 'When it was reserved; NULL while it is not running';
COMMENT ON COLUMN openregister.jobs.reserved_pid IS 'Process that runs it';
COMMENT ON COLUMN openregister.jobs.lease_until IS 'Counts as crashed if not renewed by then';
COMMENT ON COLUMN openregister.jobs.cancel_requested IS 'Whether it should stop';
COMMENT ON COLUMN openregister.jobs.created IS 'When it was created';
COMMENT ON COLUMN openregister.jobs.updated IS 'When it was last changed';

COMMENT ON TABLE openregister.objects IS 'The objects, each with the source and the run that wrote it';
COMMENT ON COLUMN openregister.objects.uuid IS 'Its address; version 7 unless one was given';
COMMENT ON COLUMN openregister.objects.seq IS 'Dense number, for sets of objects that a read has seen';
COMMENT ON COLUMN openregister.objects.register_id IS 'Register of the object';
COMMENT ON COLUMN openregister.objects.schema_id IS 'Schema of the object';
COMMENT ON COLUMN openregister.objects.source_id IS 'Source that owns it; NULL for an object added by a user';
COMMENT ON COLUMN openregister.objects.target IS 'Target of the source, 0 for the first';
COMMENT ON COLUMN openregister.objects.version IS 'Increases with every change, from 1';
COMMENT ON COLUMN openregister.objects.created IS 'When it was created';
COMMENT ON COLUMN openregister.objects.updated IS 'When it was last changed';
COMMENT ON COLUMN openregister.objects.deleted IS 'When it was deleted; NULL if it is not';
COMMENT ON COLUMN openregister.objects.source_key IS 'Key of its row in the source; NULL without one';
COMMENT ON COLUMN openregister.objects.data IS 'The object';

COMMENT ON TABLE openregister.quarantine IS 'Rows that were rejected, with the reason';
COMMENT ON COLUMN openregister.quarantine.id IS 'Number of the rejected row';
COMMENT ON COLUMN openregister.quarantine.source_id IS 'Source of the row';
COMMENT ON COLUMN openregister.quarantine.target IS 'Target that rejected it, 0 for the first';
COMMENT ON COLUMN openregister.quarantine.position IS 'Where the row is in the source';
COMMENT ON COLUMN openregister.quarantine.source_key IS 'Key of the row, if it has one';
COMMENT ON COLUMN openregister.quarantine.stage IS 'Stage of the sync that rejected it';
COMMENT ON COLUMN openregister.quarantine.first_seen IS 'When it was first rejected';
COMMENT ON COLUMN openregister.quarantine.last_seen IS 'When it was last rejected';

COMMENT ON TABLE openregister.register_schemas IS 'The schemas that each register uses';
COMMENT ON COLUMN openregister.register_schemas.register_id IS 'The register';
COMMENT ON COLUMN openregister.register_schemas.schema_id IS 'A schema that it uses';

COMMENT ON TABLE openregister.registers IS 'Named collections of objects';
COMMENT ON COLUMN openregister.registers.id IS 'Number of the register';
COMMENT ON COLUMN openregister.registers.slug IS 'Name in addresses';
COMMENT ON COLUMN openregister.registers.title IS 'Name for people';
COMMENT ON COLUMN openregister.registers.description IS 'What it contains';
COMMENT ON COLUMN openregister.registers.created IS 'When it was created';
COMMENT ON COLUMN openregister.registers.updated IS 'When it was last changed';
COMMENT ON COLUMN openregister.registers.changed_by IS 'Who made the change of `updated`; empty if unknown';

COMMENT ON TABLE openregister.reporting_grants IS 'Roles of the server that may read the SQL views of one register';
COMMENT ON COLUMN openregister.reporting_grants.register_id IS 'Register whose views it may read';

COMMENT ON TABLE openregister.reporting_views IS 'The SQL views of schemas, created and dropped with them';
COMMENT ON COLUMN openregister.reporting_views.register_id IS 'Register of the view';
COMMENT ON COLUMN openregister.reporting_views.schema_id IS 'Schema of the view';

COMMENT ON TABLE openregister.runs IS 'One sync of a source: trigger, result and counters';
COMMENT ON COLUMN openregister.runs.id IS 'Number of the run';
COMMENT ON COLUMN openregister.runs.source_id IS 'Source that was read';
COMMENT ON COLUMN openregister.runs."trigger" IS 'manual, cron or api';
COMMENT ON COLUMN openregister.runs.actor IS 'Who or what started it';
COMMENT ON COLUMN openregister.runs.state IS 'running, done, partial, held, failed, crashed or cancelled';
COMMENT ON COLUMN openregister.runs."read" IS 'Rows read';
COMMENT ON COLUMN openregister.runs.created IS 'Objects created';
COMMENT ON COLUMN openregister.runs.updated IS 'Objects updated';
COMMENT ON COLUMN openregister.runs.unchanged IS 'Rows whose object was up to date';
COMMENT ON COLUMN openregister.runs.filtered IS 'Rows that the filter left out';
COMMENT ON COLUMN openregister.runs.duplicate IS 'Rows whose key came more than once';
COMMENT ON COLUMN openregister.runs.deleted IS 'Objects deleted';
COMMENT ON COLUMN openregister.runs.held IS 'Deletions held for approval';
COMMENT ON COLUMN openregister.runs.errors IS 'Rows rejected';
COMMENT ON COLUMN openregister.runs.complete IS 'Whether every row of the source was read';
COMMENT ON COLUMN openregister.runs."full" IS 'False for an incremental read';
COMMENT ON COLUMN openregister.runs.cursor_before IS 'Where an incremental read began';
COMMENT ON COLUMN openregister.runs.cursor_after IS 'Where the next one begins';
COMMENT ON COLUMN openregister.runs.drift IS 'Differences of the fields from the accepted profile';
COMMENT ON COLUMN openregister.runs.warnings IS 'Warnings for people';
COMMENT ON COLUMN openregister.runs.message IS 'The result in one sentence';
COMMENT ON COLUMN openregister.runs.host IS 'Host that it ran on';
COMMENT ON COLUMN openregister.runs.pid IS 'Process that it ran in';
COMMENT ON COLUMN openregister.runs.lease_until IS 'Counts as crashed if not renewed by then';
COMMENT ON COLUMN openregister.runs.cancel_requested IS 'Whether it should stop';
COMMENT ON COLUMN openregister.runs.started IS 'When it began';
COMMENT ON COLUMN openregister.runs.finished IS 'When it ended; NULL while it runs';

COMMENT ON TABLE openregister.schema_versions IS 'Every version of each schema';
COMMENT ON COLUMN openregister.schema_versions.schema_id IS 'The schema';
COMMENT ON COLUMN openregister.schema_versions.version IS 'Number of the version, from 1';
COMMENT ON COLUMN openregister.schema_versions.document IS 'The JSON Schema, as written';
COMMENT ON COLUMN openregister.schema_versions.actor IS 'Who wrote it';
COMMENT ON COLUMN openregister.schema_versions.created IS 'When it was created';

COMMENT ON TABLE openregister.schemas IS 'JSON Schemas, each in its latest version';
COMMENT ON COLUMN openregister.schemas.id IS 'Number of the schema';
COMMENT ON COLUMN openregister.schemas.slug IS 'Name in addresses';
COMMENT ON COLUMN openregister.schemas.title IS 'Name for people';
COMMENT ON COLUMN openregister.schemas.version IS 'Latest version';
COMMENT ON COLUMN openregister.schemas.document IS 'The JSON Schema, as written';
COMMENT ON COLUMN openregister.schemas.created IS 'When it was created';
COMMENT ON COLUMN openregister.schemas.updated IS 'When it was last changed';
COMMENT ON COLUMN openregister.schemas.changed_by IS 'Who made the change of `updated`; empty if unknown';

COMMENT ON TABLE openregister.settings IS 'Settings of the instance that differ from their defaults';
COMMENT ON COLUMN openregister.settings.key IS 'Name of the setting';
COMMENT ON COLUMN openregister.settings.updated IS 'When it was last changed';
COMMENT ON COLUMN openregister.settings.changed_by IS 'Who made the change of `updated`; empty if unknown';

COMMENT ON TABLE openregister.source_state IS 'State that a source''s connector keeps between runs';
COMMENT ON COLUMN openregister.source_state.source_id IS 'The source';
COMMENT ON COLUMN openregister.source_state.name IS 'What is kept';
COMMENT ON COLUMN openregister.source_state.updated IS 'When it was last changed';

COMMENT ON TABLE openregister.source_targets IS 'The targets of each source, with their mappings';
COMMENT ON COLUMN openregister.source_targets.source_id IS 'The source';
COMMENT ON COLUMN openregister.source_targets.register_id IS 'Register of the target';
COMMENT ON COLUMN openregister.source_targets.schema_id IS 'Schema of the target';
COMMENT ON COLUMN openregister.source_targets.mapping IS 'Mapping of a row to an object, as written';

COMMENT ON TABLE openregister.sources IS 'What is read, how and when, and its current state';
COMMENT ON COLUMN openregister.sources.id IS 'Number of the source';
COMMENT ON COLUMN openregister.sources.name IS 'Name in commands and addresses';
COMMENT ON COLUMN openregister.sources.type IS 'Its connector';
COMMENT ON COLUMN openregister.sources.schedule IS 'Five fields of cron, or manual';
COMMENT ON COLUMN openregister.sources.timezone IS 'Timezone of the schedule';
COMMENT ON COLUMN openregister.sources.on_missing IS 'What happens to objects that a complete read has not seen: keep or delete';
COMMENT ON COLUMN openregister.sources.options IS 'Options that differ from their defaults';
COMMENT ON COLUMN openregister.sources.enabled IS 'False while it is disabled';
COMMENT ON COLUMN openregister.sources.status IS 'active, disabled or error';
COMMENT ON COLUMN openregister.sources.status_reason IS 'Why it is disabled or in error';
COMMENT ON COLUMN openregister.sources.last_run_id IS 'Its latest run';
COMMENT ON COLUMN openregister.sources.created IS 'When it was created';
COMMENT ON COLUMN openregister.sources.updated IS 'When it was last changed';
COMMENT ON COLUMN openregister.sources.changed_by IS 'Who made the change of `updated`; empty if unknown';

COMMENT ON TABLE openregister.users IS 'Users who can sign in';
COMMENT ON COLUMN openregister.users.id IS 'Number of the user';
COMMENT ON COLUMN openregister.users.name IS 'Name to sign in with';
COMMENT ON COLUMN openregister.users.display_name IS 'Name for people';
COMMENT ON COLUMN openregister.users.email IS 'Address, if known';
COMMENT ON COLUMN openregister.users.role IS 'admin, register-admin or viewer';
COMMENT ON COLUMN openregister.users.password_hash IS 'Argon2 hash';
COMMENT ON COLUMN openregister.users.session_epoch IS 'Increases when all sessions are ended; older ones are not valid';
COMMENT ON COLUMN openregister.users.failed_logins IS 'Failed attempts since the last sign-in';
COMMENT ON COLUMN openregister.users.locked_until IS 'No sign-in before then';
COMMENT ON COLUMN openregister.users.last_login IS 'When the user last signed in';
COMMENT ON COLUMN openregister.users.created IS 'When it was created';
COMMENT ON COLUMN openregister.users.updated IS 'When it was last changed';
