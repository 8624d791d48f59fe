-- What staff does, beside what stands with the thing it is done to.

-- Takes several dead letters up again, as retry_dead_letter() does one; how many of them were still open.
CREATE FUNCTION retry_dead_letters(p_key_hash bytea, p_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash);
    -- By id, so that two who retry the same letters at once do not wait for each other.
    RETURN (SELECT count(*) FILTER (WHERE retry_dead_letter(p_key_hash, id))
            FROM (SELECT DISTINCT id FROM unnest(p_ids) AS id ORDER BY id) AS wanted);
END $$;

-- The answers to what staff asked for with a key, byte for byte: staff is of no workspace, so its keys are its own.
CREATE TABLE staff_answers (
    staff_id      uuid NOT NULL REFERENCES staff (id),
    key           text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  bytea NOT NULL,
    status        integer NOT NULL,
    body          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (staff_id, key)
);
CALL keep_internal('staff_answers');
GRANT INSERT ON staff_answers TO marketplace_money;

-- Gives (positive) or takes (negative) credits, and remembers the answer, in one db_tx. Locks: the key, then what
-- adjust_credits() locks.
CREATE FUNCTION adjust_for_staff(p_key_hash bytea, p_key text, p_request_hash bytea, p_workspace uuid,
                                 p_credits bigint, p_reason text, p_lifetime_days integer, p_request_id text,
                                 p_now timestamptz) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff := enter_staff(p_key_hash);
    v_known staff_answers;
    v_done adjusted;
    v_answer answer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('staff:' || v_staff.id || ':' || p_key, 0));
    SELECT * INTO v_known FROM staff_answers WHERE staff_id = v_staff.id AND key = p_key;
    IF FOUND AND v_known.request_hash <> p_request_hash THEN
        RETURN purchase_problem(p_workspace, 'idempotency_key_reused', 'Idempotency key reused', 422,
            'This idempotency key was used for another request. Use a new key.', p_request_id, '{}');
    ELSIF FOUND THEN
        RETURN ROW(p_workspace, v_known.status, v_known.body, true)::answer;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM workspaces WHERE id = p_workspace) THEN
        RETURN purchase_problem(p_workspace, 'workspace_not_found', 'No such workspace', 404,
            'No workspace has this id.', p_request_id, '{}');
    END IF;
    v_done := adjust_credits(v_staff.id, p_workspace, p_credits, p_reason, 'staff_' || v_staff.id || ':' || p_key,
                             p_now, p_lifetime_days);
    IF v_done.id IS NULL THEN
        v_answer := purchase_problem(p_workspace, 'adjustment_too_large', 'More than can be taken', 409,
            format('The workspace can spend %s credits; %s more were to be taken.', v_done.balance,
                   v_done.shortfall),
            p_request_id, jsonb_build_object('available', v_done.balance, 'shortfall', v_done.shortfall));
    ELSE
        v_answer := ROW(p_workspace, 201,
            json_build_object('adjustment_id', v_done.id, 'balance', v_done.balance)::text, false)::answer;
    END IF;
    INSERT INTO staff_answers (staff_id, key, request_hash, status, body)
    VALUES (v_staff.id, p_key, p_request_hash, v_answer.status, v_answer.body);
    RETURN v_answer;
END $$;

-- A workspace's name and what it can spend; no row if there is none.
CREATE FUNCTION read_standing(p_key_hash bytea, p_workspace uuid, p_now timestamptz)
RETURNS TABLE (workspace text, balance bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY SELECT w.name, spendable(w.id, p_now) FROM workspaces w WHERE w.id = p_workspace;
END $$;

GRANT EXECUTE ON FUNCTION
    retry_dead_letters(bytea, uuid[]), read_standing(bytea, uuid, timestamptz),
    adjust_for_staff(bytea, text, bytea, uuid, bigint, text, integer, text, timestamptz)
TO marketplace_app;
