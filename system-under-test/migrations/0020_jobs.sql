-- Every piece of work in one list, whatever carries it, for those who run the marketplace.

CREATE INDEX emails_newest_first ON emails (created_at DESC);
CREATE INDEX webhook_events_newest_first ON webhook_events (received_at DESC);
CREATE INDEX alerts_newest_first ON alerts (created_at DESC);

-- state: waiting, running (or its worker died a moment ago), done, dead.
CREATE VIEW all_jobs WITH (security_invoker = true) AS
    SELECT 'email' AS kind, id::text AS id, event AS subject, workspace_id,
        CASE WHEN state = 'dead' THEN 'dead' WHEN state NOT IN ('pending', 'held') THEN 'done'
             WHEN started_at IS NULL THEN 'waiting' ELSE 'running' END AS state,
        attempts, run_at, started_at, last_error, created_at
    FROM emails
    UNION ALL
    SELECT 'webhook', id::text, event_id, NULL,
        CASE WHEN state = 'dead' THEN 'dead' WHEN state NOT IN ('received', 'failed') THEN 'done'
             WHEN started_at IS NULL THEN 'waiting' ELSE 'running' END,
        attempts, run_at, started_at, last_error, received_at
    FROM webhook_events
    UNION ALL
    SELECT kind, id::text, subject, workspace_id,
        CASE WHEN state <> 'pending' THEN state WHEN started_at IS NULL THEN 'waiting' ELSE 'running' END,
        attempts, run_at, started_at, last_error, created_at
    FROM jobs
    UNION ALL
    SELECT 'alert', id::text, subject, NULL,
        CASE state WHEN 'pending' THEN 'waiting' WHEN 'sent' THEN 'done' ELSE 'dead' END,
        0, created_at, NULL, last_error, created_at
    FROM alerts;
GRANT SELECT ON all_jobs TO marketplace_money, marketplace_operator;

-- The newest first, before the cursor; of one kind and state, where they are given. For staff.
CREATE FUNCTION list_jobs(p_key_hash bytea, p_kind text, p_state text, p_limit integer,
                          p_before timestamptz DEFAULT NULL, p_before_id text DEFAULT NULL)
RETURNS SETOF all_jobs
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY SELECT * FROM all_jobs
        WHERE (p_kind IS NULL OR kind = p_kind) AND (p_state IS NULL OR state = p_state)
          AND (p_before IS NULL OR created_at <= p_before AND (created_at, id) < (p_before, p_before_id))
        ORDER BY created_at DESC, id DESC LIMIT p_limit;
END $$;

-- How many there are of each kind in each state. For staff.
CREATE FUNCTION count_jobs(p_key_hash bytea) RETURNS TABLE (kind text, state text, jobs bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY SELECT j.kind, j.state, count(*) FROM all_jobs j GROUP BY j.kind, j.state ORDER BY j.kind, j.state;
END $$;

GRANT EXECUTE ON FUNCTION
    list_jobs(bytea, text, text, integer, timestamptz, text), count_jobs(bytea)
TO marketplace_app;

CREATE OR REPLACE VIEW outstanding_work WITH (security_invoker = true) AS
    SELECT 'job' AS kind, count(*) AS waiting FROM graphile_worker._private_jobs
    UNION ALL SELECT 'webhook', count(*) FROM webhook_events WHERE state IN ('received', 'failed')
    UNION ALL SELECT 'email', count(*) FROM emails WHERE state = 'pending'
    UNION ALL SELECT 'alert', count(*) FROM alerts WHERE state = 'pending'
    UNION ALL SELECT 'other work', count(*) FROM jobs WHERE state = 'pending';
