-- Without the comments that 'up' sets.

COMMENT ON TABLE openregister.app_passwords IS NULL;
COMMENT ON COLUMN openregister.app_passwords.id IS NULL;
COMMENT ON COLUMN openregister.app_passwords.user_id IS NULL;
COMMENT ON COLUMN openregister.app_passwords.name IS NULL;
COMMENT ON COLUMN openregister.app_passwords.token_hash IS NULL;
COMMENT ON COLUMN openregister.app_passwords.last_used IS NULL;
COMMENT ON COLUMN openregister.app_passwords.revoked IS NULL;
COMMENT ON COLUMN openregister.app_passwords.created IS NULL;

COMMENT ON TABLE openregister.audit_trails IS NULL;
COMMENT ON COLUMN openregister.audit_trails.chain_id IS NULL;
COMMENT ON COLUMN openregister.audit_trails.position IS NULL;
COMMENT ON COLUMN openregister.audit_trails.run_id IS NULL;
COMMENT ON COLUMN openregister.audit_trails.created IS NULL;
COMMENT ON COLUMN openregister.audit_trails.object_uuid IS NULL;
COMMENT ON COLUMN openregister.audit_trails.action IS NULL;
COMMENT ON COLUMN openregister.audit_trails.actor IS NULL;
COMMENT ON COLUMN openregister.audit_trails.data_hash IS NULL;
COMMENT ON COLUMN openregister.audit_trails.prev_hash IS NULL;
COMMENT ON COLUMN openregister.audit_trails.hash IS NULL;

COMMENT ON TABLE openregister.chains IS NULL;
COMMENT ON COLUMN openregister.chains.id IS NULL;
COMMENT ON COLUMN openregister.chains.lane IS NULL;
COMMENT ON COLUMN openregister.chains.source_name IS NULL;
COMMENT ON COLUMN openregister.chains.length IS NULL;

COMMENT ON TABLE openregister.cron_ticks IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.id IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.started IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.finished IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.host IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.pid IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.jobs IS NULL;
COMMENT ON COLUMN openregister.cron_ticks.failed IS NULL;

COMMENT ON TABLE openregister.held_deletions IS NULL;
COMMENT ON COLUMN openregister.held_deletions.source_id IS NULL;
COMMENT ON COLUMN openregister.held_deletions.object_uuid IS NULL;
COMMENT ON COLUMN openregister.held_deletions.run_id IS NULL;

COMMENT ON TABLE openregister.incidents IS NULL;
COMMENT ON COLUMN openregister.incidents.source_id IS NULL;
COMMENT ON COLUMN openregister.incidents.kind IS NULL;
COMMENT ON COLUMN openregister.incidents.message IS NULL;
COMMENT ON COLUMN openregister.incidents.opened IS NULL;

COMMENT ON TABLE openregister.job_runs IS NULL;
COMMENT ON COLUMN openregister.job_runs.id IS NULL;
COMMENT ON COLUMN openregister.job_runs.job_id IS NULL;
COMMENT ON COLUMN openregister.job_runs.key IS NULL;
COMMENT ON COLUMN openregister.job_runs.handler IS NULL;
COMMENT ON COLUMN openregister.job_runs.state IS NULL;
COMMENT ON COLUMN openregister.job_runs.host IS NULL;
COMMENT ON COLUMN openregister.job_runs.pid IS NULL;
COMMENT ON COLUMN openregister.job_runs.started IS NULL;
COMMENT ON COLUMN openregister.job_runs.finished IS NULL;
COMMENT ON COLUMN openregister.job_runs.error IS NULL;

COMMENT ON TABLE openregister.jobs IS NULL;
COMMENT ON COLUMN openregister.jobs.id IS NULL;
COMMENT ON COLUMN openregister.jobs.handler IS NULL;
COMMENT ON COLUMN openregister.jobs.arguments IS NULL;
COMMENT ON COLUMN openregister.jobs.timezone IS NULL;
COMMENT ON COLUMN openregister.jobs.enabled IS NULL;
COMMENT ON COLUMN openregister.jobs.last_state IS NULL;
COMMENT ON COLUMN openregister.jobs.last_error IS NULL;
COMMENT ON COLUMN openregister.jobs.reserved_at IS NULL;
COMMENT ON COLUMN openregister.jobs.reserved_pid IS NULL;
COMMENT ON COLUMN openregister.jobs.lease_until IS NULL;
COMMENT ON COLUMN openregister.jobs.cancel_requested IS NULL;
COMMENT ON COLUMN openregister.jobs.created IS NULL;
COMMENT ON COLUMN openregister.jobs.updated IS NULL;

COMMENT ON TABLE openregister.objects IS NULL;
COMMENT ON COLUMN openregister.objects.uuid IS NULL;
COMMENT ON COLUMN openregister.objects.seq IS NULL;
COMMENT ON COLUMN openregister.objects.register_id IS NULL;
COMMENT ON COLUMN openregister.objects.schema_id IS NULL;
COMMENT ON COLUMN openregister.objects.source_id IS NULL;
COMMENT ON COLUMN openregister.objects.target IS NULL;
COMMENT ON COLUMN openregister.objects.version IS NULL;
COMMENT ON COLUMN openregister.objects.created IS NULL;
COMMENT ON COLUMN openregister.objects.updated IS NULL;
COMMENT ON COLUMN openregister.objects.deleted IS NULL;
COMMENT ON COLUMN openregister.objects.source_key IS NULL;
COMMENT ON COLUMN openregister.objects.data IS NULL;

COMMENT ON TABLE openregister.quarantine IS NULL;
COMMENT ON COLUMN openregister.quarantine.id IS NULL;
COMMENT ON COLUMN openregister.quarantine.source_id IS NULL;
COMMENT ON COLUMN openregister.quarantine.target IS NULL;
COMMENT ON COLUMN openregister.quarantine.position IS NULL;
COMMENT ON COLUMN openregister.quarantine.source_key IS NULL;
COMMENT ON COLUMN openregister.quarantine.stage IS NULL;
COMMENT ON COLUMN openregister.quarantine.first_seen IS NULL;
COMMENT ON COLUMN openregister.quarantine.last_seen IS NULL;

COMMENT ON TABLE openregister.register_schemas IS NULL;
COMMENT ON COLUMN openregister.register_schemas.register_id IS NULL;
COMMENT ON COLUMN openregister.register_schemas.schema_id IS NULL;

COMMENT ON TABLE openregister.registers IS NULL;
COMMENT ON COLUMN openregister.registers.id IS NULL;
COMMENT ON COLUMN openregister.registers.slug IS NULL;
COMMENT ON COLUMN openregister.registers.title IS NULL;
COMMENT ON COLUMN openregister.registers.description IS NULL;
COMMENT ON COLUMN openregister.registers.created IS NULL;
COMMENT ON COLUMN openregister.registers.updated IS NULL;
COMMENT ON COLUMN openregister.registers.changed_by IS NULL;

COMMENT ON TABLE openregister.reporting_grants IS NULL;
COMMENT ON COLUMN openregister.reporting_grants.register_id IS NULL;

COMMENT ON TABLE openregister.reporting_views IS NULL;
COMMENT ON COLUMN openregister.reporting_views.register_id IS NULL;
COMMENT ON COLUMN openregister.reporting_views.schema_id IS NULL;

COMMENT ON TABLE openregister.runs IS NULL;
COMMENT ON COLUMN openregister.runs.id IS NULL;
COMMENT ON COLUMN openregister.runs.source_id IS NULL;
COMMENT ON COLUMN openregister.runs."trigger" IS NULL;
COMMENT ON COLUMN openregister.runs.actor IS NULL;
COMMENT ON COLUMN openregister.runs.state IS NULL;
COMMENT ON COLUMN openregister.runs."read" IS NULL;
COMMENT ON COLUMN openregister.runs.created IS NULL;
COMMENT ON COLUMN openregister.runs.updated IS NULL;
COMMENT ON COLUMN openregister.runs.unchanged IS NULL;
COMMENT ON COLUMN openregister.runs.filtered IS NULL;
COMMENT ON COLUMN openregister.runs.duplicate IS NULL;
COMMENT ON COLUMN openregister.runs.deleted IS NULL;
COMMENT ON COLUMN openregister.runs.held IS NULL;
COMMENT ON COLUMN openregister.runs.errors IS NULL;
COMMENT ON COLUMN openregister.runs.complete IS NULL;
COMMENT ON COLUMN openregister.runs."full" IS NULL;
COMMENT ON COLUMN openregister.runs.cursor_before IS NULL;
COMMENT ON COLUMN openregister.runs.cursor_after IS NULL;
COMMENT ON COLUMN openregister.runs.drift IS NULL;
COMMENT ON COLUMN openregister.runs.warnings IS NULL;
COMMENT ON COLUMN openregister.runs.message IS NULL;
COMMENT ON COLUMN openregister.runs.host IS NULL;
COMMENT ON COLUMN openregister.runs.pid IS NULL;
COMMENT ON COLUMN openregister.runs.lease_until IS NULL;
COMMENT ON COLUMN openregister.runs.cancel_requested IS NULL;
COMMENT ON COLUMN openregister.runs.started IS NULL;
COMMENT ON COLUMN openregister.runs.finished IS NULL;

COMMENT ON TABLE openregister.schema_versions IS NULL;
COMMENT ON COLUMN openregister.schema_versions.schema_id IS NULL;
COMMENT ON COLUMN openregister.schema_versions.version IS NULL;
COMMENT ON COLUMN openregister.schema_versions.document IS NULL;
COMMENT ON COLUMN openregister.schema_versions.actor IS NULL;
COMMENT ON COLUMN openregister.schema_versions.created IS NULL;

COMMENT ON TABLE openregister.schemas IS NULL;
COMMENT ON COLUMN openregister.schemas.id IS NULL;
COMMENT ON COLUMN openregister.schemas.slug IS NULL;
COMMENT ON COLUMN openregister.schemas.title IS NULL;
COMMENT ON COLUMN openregister.schemas.version IS NULL;
COMMENT ON COLUMN openregister.schemas.document IS NULL;
COMMENT ON COLUMN openregister.schemas.created IS NULL;
COMMENT ON COLUMN openregister.schemas.updated IS NULL;
COMMENT ON COLUMN openregister.schemas.changed_by IS NULL;

COMMENT ON TABLE openregister.settings IS NULL;
COMMENT ON COLUMN openregister.settings.key IS NULL;
COMMENT ON COLUMN openregister.settings.updated IS NULL;
COMMENT ON COLUMN openregister.settings.changed_by IS NULL;

COMMENT ON TABLE openregister.source_state IS NULL;
COMMENT ON COLUMN openregister.source_state.source_id IS NULL;
COMMENT ON COLUMN openregister.source_state.name IS NULL;
COMMENT ON COLUMN openregister.source_state.updated IS NULL;

COMMENT ON TABLE openregister.source_targets IS NULL;
COMMENT ON COLUMN openregister.source_targets.source_id IS NULL;
COMMENT ON COLUMN openregister.source_targets.register_id IS NULL;
COMMENT ON COLUMN openregister.source_targets.schema_id IS NULL;
COMMENT ON COLUMN openregister.source_targets.mapping IS NULL;

COMMENT ON TABLE openregister.sources IS NULL;
COMMENT ON COLUMN openregister.sources.id IS NULL;
COMMENT ON COLUMN openregister.sources.name IS NULL;
COMMENT ON COLUMN openregister.sources.type IS NULL;
COMMENT ON COLUMN openregister.sources.schedule IS NULL;
COMMENT ON COLUMN openregister.sources.timezone IS NULL;
COMMENT ON COLUMN openregister.sources.on_missing IS NULL;
COMMENT ON COLUMN openregister.sources.options IS NULL;
COMMENT ON COLUMN openregister.sources.enabled IS NULL;
COMMENT ON COLUMN openregister.sources.status IS NULL;
COMMENT ON COLUMN openregister.sources.status_reason IS NULL;
COMMENT ON COLUMN openregister.sources.last_run_id IS NULL;
COMMENT ON COLUMN openregister.sources.created IS NULL;
COMMENT ON COLUMN openregister.sources.updated IS NULL;
COMMENT ON COLUMN openregister.sources.changed_by IS NULL;

COMMENT ON TABLE openregister.users IS NULL;
COMMENT ON COLUMN openregister.users.id IS NULL;
COMMENT ON COLUMN openregister.users.name IS NULL;
COMMENT ON COLUMN openregister.users.display_name IS NULL;
COMMENT ON COLUMN openregister.users.email IS NULL;
COMMENT ON COLUMN openregister.users.role IS NULL;
COMMENT ON COLUMN openregister.users.password_hash IS NULL;
COMMENT ON COLUMN openregister.users.session_epoch IS NULL;
COMMENT ON COLUMN openregister.users.failed_logins IS NULL;
COMMENT ON COLUMN openregister.users.locked_until IS NULL;
COMMENT ON COLUMN openregister.users.last_login IS NULL;
COMMENT ON COLUMN openregister.users.created IS NULL;
COMMENT ON COLUMN openregister.users.updated IS NULL;
