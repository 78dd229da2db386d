DROP VIEW openregister_reporting.runs;

CREATE VIEW openregister_reporting.runs AS
SELECT u.id,
       s.name AS source,
       u.trigger,
       u.actor,
       u.state,
       u.started,
       u.finished,
       extract(epoch FROM u.finished - u.started) AS duration_seconds,
       u.read,
       u.created,
       u.updated,
       u.unchanged,
       u.filtered,
       u.duplicate,
       u.errors,
       u.deleted,
       u.held,
       u.complete,
       u."full" AS full_read,
       u.message,
       u.warnings,
       u.drift,
       u.host,
       u.peak_memory AS peak_memory_bytes
FROM openregister.runs u
JOIN openregister.sources s ON s.id = u.source_id;

COMMENT ON VIEW openregister_reporting.runs IS 'One row per sync of a source. read = created + updated + unchanged + filtered + duplicate + errors, once it finished';
COMMENT ON COLUMN openregister_reporting.runs.id IS 'Number of the run';
COMMENT ON COLUMN openregister_reporting.runs.source IS 'Name of the source';
COMMENT ON COLUMN openregister_reporting.runs.trigger IS 'What started it: manual, cron or api';
COMMENT ON COLUMN openregister_reporting.runs.actor IS 'Who started it';
COMMENT ON COLUMN openregister_reporting.runs.state IS 'running, done, partial (with row errors), held (waits for approval), failed, crashed or cancelled';
COMMENT ON COLUMN openregister_reporting.runs.started IS 'When it began';
COMMENT ON COLUMN openregister_reporting.runs.finished IS 'When it ended. NULL: it still runs';
COMMENT ON COLUMN openregister_reporting.runs.duration_seconds IS 'From started to finished, in seconds. NULL: it still runs';
COMMENT ON COLUMN openregister_reporting.runs.read IS 'Rows read from the source';
COMMENT ON COLUMN openregister_reporting.runs.created IS 'Rows that became new objects';
COMMENT ON COLUMN openregister_reporting.runs.updated IS 'Rows that changed an object';
COMMENT ON COLUMN openregister_reporting.runs.unchanged IS 'Rows that changed nothing';
COMMENT ON COLUMN openregister_reporting.runs.filtered IS 'Rows that the filter left out';
COMMENT ON COLUMN openregister_reporting.runs.duplicate IS 'Rows whose key stood in a later row again, which won';
COMMENT ON COLUMN openregister_reporting.runs.errors IS 'Rows that were rejected, see quarantine';
COMMENT ON COLUMN openregister_reporting.runs.deleted IS 'Objects deleted because the source no longer had them';
COMMENT ON COLUMN openregister_reporting.runs.held IS 'Deletions that wait for approval';
COMMENT ON COLUMN openregister_reporting.runs.complete IS 'Whether the read is proven to have been complete';
COMMENT ON COLUMN openregister_reporting.runs.full_read IS 'Whether it read from the beginning, not from where an earlier run had stopped';
COMMENT ON COLUMN openregister_reporting.runs.message IS 'What went wrong, or is worth saying';
COMMENT ON COLUMN openregister_reporting.runs.warnings IS 'Array of texts: what wants attention though the run went on';
COMMENT ON COLUMN openregister_reporting.runs.drift IS 'How the fields of the source differ from those last accepted';
COMMENT ON COLUMN openregister_reporting.runs.host IS 'Machine it ran on';
COMMENT ON COLUMN openregister_reporting.runs.peak_memory_bytes IS 'Most memory its process used, in bytes';
