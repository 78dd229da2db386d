-- Columns at the end: views and grants that depend on this view stay as they are.

CREATE OR REPLACE VIEW openregister_reporting.runs AS
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
       u.peak_memory AS peak_memory_bytes,
       u.complete_because,
       u.rejected_before
FROM openregister.runs u
JOIN openregister.sources s ON s.id = u.source_id;

COMMENT ON COLUMN openregister_reporting.runs.complete_because
    IS 'The evidence that the read was complete. NULL: there is none';
COMMENT ON COLUMN openregister_reporting.runs.rejected_before
    IS 'Rows rejected by earlier runs that are still in quarantine';
