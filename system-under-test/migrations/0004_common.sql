-- What several functions share: who is calling, how an error looks, how a job is queued.

-- What an endpoint answers, byte for byte. replayed: it was answered before, to the same key.
CREATE TYPE answer AS (workspace_id uuid, status integer, body text, replayed boolean);

-- Resolves an API key and makes its workspace the tenant of this db_tx.
CREATE FUNCTION enter_workspace(p_key_hash bytea) RETURNS members
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members;
BEGIN
    SELECT * INTO v_member FROM members WHERE api_key_hash = p_key_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown api key' USING ERRCODE = 'MK401';
    END IF;
    PERFORM set_config('app.workspace_id', v_member.workspace_id::text, true);
    RETURN v_member;
END $$;

-- The same, for endpoints of the back office: staff is of no workspace. 'admin' may do everything, 'support'
-- may look.
CREATE FUNCTION enter_staff(p_key_hash bytea, p_role text DEFAULT 'admin') RETURNS staff
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff;
BEGIN
    SELECT * INTO v_staff FROM staff WHERE api_key_hash = p_key_hash AND disabled_at IS NULL;
    IF NOT FOUND THEN
        -- The pages come with a session (0041); read_session() has ended it if it is too old.
        SELECT s.* INTO v_staff FROM staff_sessions held JOIN staff s ON s.id = held.staff_id
        WHERE held.token_hash = p_key_hash AND held.ended_at IS NULL AND s.disabled_at IS NULL;
    END IF;
    IF NOT FOUND THEN
        PERFORM enter_workspace(p_key_hash);  -- refuses a key that is nobody's
        RAISE EXCEPTION 'a member is not staff' USING ERRCODE = 'MK403';
    END IF;
    IF v_staff.role NOT IN ('admin', p_role) THEN
        RAISE EXCEPTION 'role % may not do this', v_staff.role USING ERRCODE = 'MK403';
    END IF;
    RETURN v_staff;
END $$;

-- Who did what to whom. Nothing rewrites it. Called by every function that acts for a member of staff.
CREATE FUNCTION write_audit(p_staff uuid, p_action text, p_workspace uuid, p_subject text, p_detail jsonb)
RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO audit_log (staff_id, action, workspace_id, subject, detail)
    VALUES (p_staff, p_action, p_workspace, p_subject, p_detail);
$$;

-- An RFC 9457 body, for the answers that are stored with their idempotency key. Errors that are not
-- stored are rendered by src/problem.rs; both write the same members.
--
-- The functions on the path of a purchase are plpgsql, even those that are one expression: plpgsql
-- keeps its plans for the session, where a SQL function is planned anew at each call.
CREATE FUNCTION problem(p_code text, p_title text, p_status integer, p_detail text,
                        p_request_id text, p_retryable boolean, p_more jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN left(json_build_object(
        'type', 'https://overdraft.dev/problems/' || replace(p_code, '_', '-'),
        'title', p_title, 'status', p_status, 'detail', p_detail,
        'instance', 'urn:request:' || p_request_id,
        'code', p_code, 'request_id', p_request_id, 'retryable', p_retryable)::text, -1)
        || CASE WHEN p_more = '{}' THEN '}' ELSE ', ' || substr(p_more::text, 2) END;
END $$;

-- Queues a job in the caller's db_tx: it exists exactly if the caller commits.
--
-- This writes the row that graphile_worker.add_job would write, without its pg_notify. A NOTIFY
-- holds one lock for the whole database from the start of its commit to the end of the WAL flush, so
-- every purchase of every tenant would commit one after another. The worker polls instead, with one
-- cheap indexed query, and fetches in batches.
CREATE FUNCTION enqueue(p_task text, p_payload json, p_run_at timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A misspelt task has no id, and the NOT NULL of task_id refuses it.
    INSERT INTO graphile_worker._private_jobs (task_id, payload, run_at, max_attempts)
    VALUES ((SELECT id FROM graphile_worker._private_tasks WHERE identifier = p_task),
            p_payload, p_run_at, 25);
END $$;
INSERT INTO graphile_worker._private_tasks (identifier)
VALUES ('send_email'), ('process_webhook'), ('post_alert') ON CONFLICT DO NOTHING;

-- One email to one recipient about one event, with its job. A second call changes nothing.
CREATE FUNCTION queue_email(p_workspace uuid, p_event text, p_kind text, p_recipient text,
                            p_subject text, p_body text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_id uuid;
BEGIN
    INSERT INTO emails (workspace_id, event, kind, recipient, subject, body)
    VALUES (p_workspace, p_event, p_kind, p_recipient, p_subject, p_body)
    ON CONFLICT (event, recipient) DO NOTHING
    RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
        PERFORM enqueue('send_email', json_build_object('email_id', v_id));
    END IF;
END $$;
