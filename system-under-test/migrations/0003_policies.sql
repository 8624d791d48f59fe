-- Row-level security: enabled and forced on every table, so even the owner needs a policy.
--
-- app.workspace_id is set by enter_workspace(), local to the db_tx. A pooled connection therefore
-- never carries one request's tenant into the next; unset and '' both mean "no tenant", no rows.

CREATE FUNCTION current_workspace() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.workspace_id', true), '')::uuid;

-- Every table is forced: the money functions move credits between tenants, and each checks its caller
-- itself; the back office sees all. A migration that adds a table calls one of these two; 0090 drops them.

-- Shared or internal: no policy for marketplace_app, so it sees no row of it.
CREATE PROCEDURE keep_internal(VARIADIC p_tables text[]) LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY p_tables LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY money ON %I TO marketplace_money
                        USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('CREATE POLICY operator ON %I TO marketplace_operator
                        USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('GRANT SELECT ON %I TO marketplace_money, marketplace_operator', v_table);
    END LOOP;
END $$;

-- Isolated: the tenant sees its own rows, by their workspace_id, and no others.
CREATE PROCEDURE isolate(VARIADIC p_tables text[]) LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    CALL keep_internal(VARIADIC p_tables);
    FOREACH v_table IN ARRAY p_tables LOOP
        EXECUTE format('CREATE POLICY tenant ON %I TO marketplace_app
                        USING (workspace_id = current_workspace())
                        WITH CHECK (workspace_id = current_workspace())', v_table);
    END LOOP;
END $$;

CALL keep_internal('workspaces', 'leads', 'transfers', 'entries', 'webhook_events', 'dead_letters', 'alerts',
                   'staff', 'audit_log');
CALL isolate('members', 'accounts', 'purchases', 'purchase_items', 'commissions', 'credit_purchases', 'emails',
             'idempotency_keys');

CREATE POLICY tenant ON workspaces TO marketplace_app
    USING (id = current_workspace()) WITH CHECK (id = current_workspace());

-- The shop window: what is for sale is readable by every workspace, on purpose. Read only.
CREATE POLICY listing ON leads FOR SELECT TO marketplace_app USING (true);

-- A request reads; whatever it changes it changes through a function below.
GRANT SELECT ON workspaces, leads, accounts, purchases, purchase_items, commissions,
    credit_purchases TO marketplace_app;

-- No role may DELETE or TRUNCATE. entries, transfers and purchases are append-only for all.
GRANT INSERT ON transfers, entries, purchases, purchase_items, commissions, credit_purchases,
    webhook_events, emails, dead_letters, alerts, idempotency_keys, audit_log TO marketplace_money;
GRANT UPDATE ON leads, accounts, credit_purchases, webhook_events, emails, dead_letters, alerts,
    idempotency_keys TO marketplace_money;
GRANT INSERT ON workspaces, members, leads, accounts, staff TO marketplace_operator;

-- The job tables: read by the back office, written by the worker, which owns them.
GRANT USAGE ON SCHEMA graphile_worker TO marketplace_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA graphile_worker TO marketplace_operator;
CREATE POLICY operator ON graphile_worker._private_jobs FOR SELECT TO marketplace_operator USING (true);
CREATE POLICY operator ON graphile_worker._private_tasks FOR SELECT TO marketplace_operator USING (true);
CREATE POLICY operator ON graphile_worker._private_job_queues FOR SELECT TO marketplace_operator USING (true);

-- Work that is not finished: what a reader waits for before calling the system quiet.
CREATE VIEW outstanding_work WITH (security_invoker = true) AS
    SELECT 'job' AS kind, count(*) AS waiting FROM graphile_worker._private_jobs
    UNION ALL SELECT 'webhook', count(*) FROM webhook_events WHERE state IN ('received', 'failed')
    UNION ALL SELECT 'email', count(*) FROM emails WHERE state = 'pending'
    UNION ALL SELECT 'alert', count(*) FROM alerts WHERE state = 'pending';
GRANT SELECT ON outstanding_work TO marketplace_operator;
CREATE INDEX webhook_events_outstanding ON webhook_events (state) WHERE state IN ('received', 'failed');
CREATE INDEX emails_outstanding ON emails (state) WHERE state = 'pending';
