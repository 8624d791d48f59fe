-- The daily run of the consistency checks (audit/*.sql): what it found, and whom it tells.
--
-- The checks are not functions here: src/audit.rs runs the same files for the job and for the command line.

-- One row per day (UTC, by the service's clock). violations holds the checks that were violated, with their first
-- rows; [] is a clean day. commission_percent is what sales are made at since the first run that says so.
CREATE TABLE consistency_runs (
    day                 date PRIMARY KEY,
    started             timestamptz NOT NULL,
    finished            timestamptz NOT NULL,
    commission_percent  integer NOT NULL,
    violations          jsonb NOT NULL CHECK (jsonb_typeof(violations) = 'array')
);
CALL keep_internal('consistency_runs');
GRANT INSERT ON consistency_runs TO marketplace_money;

-- Queues the day's run, once, whichever instance asks first. True if this call queued it.
CREATE FUNCTION queue_consistency_run(p_day date) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT start_job('consistency', p_day::text, NULL);
$$;

-- Since when it is certain that sales are made at this percentage: the first run that says so, after the last that
-- says otherwise. NULL: no run has said so yet.
CREATE FUNCTION commission_percent_since(p_percent integer) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT min(started) FROM consistency_runs
    WHERE commission_percent = p_percent
      AND started > coalesce((SELECT max(started) FROM consistency_runs WHERE commission_percent <> p_percent), '-infinity');
$$;

-- Keeps what the day's run found, and raises an alert if that is not nothing; once, however often the job runs.
CREATE FUNCTION finish_consistency_run(p_day date, p_started timestamptz, p_finished timestamptz, p_percent integer,
                                       p_violations jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO consistency_runs (day, started, finished, commission_percent, violations)
    VALUES (p_day, p_started, p_finished, p_percent, p_violations) ON CONFLICT (day) DO NOTHING;
    IF FOUND AND p_violations <> '[]' THEN
        PERFORM raise_alert('consistency', p_day::text,
            (SELECT string_agg(format('%s: %s', v ->> 'name', v ->> 'total'), ', ' ORDER BY v ->> 'name')
             FROM jsonb_array_elements(p_violations) AS v));
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION
    queue_consistency_run(date), commission_percent_since(integer),
    finish_consistency_run(date, timestamptz, timestamptz, integer, jsonb)
TO marketplace_worker;
