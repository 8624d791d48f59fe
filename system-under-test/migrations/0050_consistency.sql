-- The daily run of the consistency checks (audit/*.sql): what it found, and whom it tells.
--
-- The checks are not functions here: src/audit.rs runs the same files for the job and for the command line.

-- One row per day (UTC, by the service's clock). violations holds the checks that were violated, with their first
-- rows; [] is a clean day.
CREATE TABLE consistency_runs (
    day         date PRIMARY KEY,
    started     timestamptz NOT NULL,
    finished    timestamptz NOT NULL,
    violations  jsonb NOT NULL CHECK (jsonb_typeof(violations) = 'array')
);
CALL keep_internal('consistency_runs');
GRANT INSERT ON consistency_runs TO marketplace_money;

-- Queues the day's run, once, whichever instance asks first. True if this call queued it.
CREATE FUNCTION queue_consistency_run(p_day date) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT start_job('consistency', p_day::text, NULL);
$$;

-- Keeps what the day's run found. What is not nothing raises an alert; a clean day resolves those of the days before.
-- Once, however often the job runs.
CREATE FUNCTION finish_consistency_run(p_day date, p_started timestamptz, p_finished timestamptz, p_violations jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO consistency_runs (day, started, finished, violations)
    VALUES (p_day, p_started, p_finished, p_violations) ON CONFLICT (day) DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    ELSIF p_violations = '[]' THEN
        UPDATE alerts SET resolved_at = now()
        WHERE kind = 'consistency' AND subject < p_day::text AND resolved_at IS NULL;
    ELSE
        PERFORM raise_alert('consistency', p_day::text,
            (SELECT string_agg(format('%s: %s', v ->> 'name', v ->> 'total'), ', ' ORDER BY v ->> 'name')
             FROM jsonb_array_elements(p_violations) AS v));
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION
    queue_consistency_run(date), finish_consistency_run(date, timestamptz, timestamptz, jsonb)
TO marketplace_worker;
