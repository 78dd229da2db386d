-- Only our own views go. One that somebody built upon them stops this, and is not dropped along.

DO $$
DECLARE
    view name;
BEGIN
    FOR view IN SELECT v.name FROM openregister.reporting_views v
    LOOP
        EXECUTE format('DROP VIEW IF EXISTS openregister_reporting.%I', view);
    END LOOP;
END
$$;
DROP VIEW openregister_reporting.jobs;
DROP VIEW openregister_reporting.quarantine;
DROP VIEW openregister_reporting.audit;
DROP VIEW openregister_reporting.objects;
DROP VIEW openregister_reporting.runs;
DROP VIEW openregister_reporting.sources;
DROP SCHEMA openregister_reporting;
DROP FUNCTION openregister.reporting_time(jsonb);
DROP FUNCTION openregister.reporting_date(jsonb);
DROP FUNCTION openregister.reporting_json(jsonb);
DROP FUNCTION openregister.reporting_boolean(jsonb);
DROP FUNCTION openregister.reporting_number(jsonb);
DROP FUNCTION openregister.reporting_integer(jsonb);
DROP TABLE openregister.reporting_grants;
DROP TABLE openregister.reporting_views;
