-- How often one may call, by caller and kind of request, right across instances.
--
-- GCRA: one timestamp per caller and kind, the moment at which the whole budget is there again ("theoretical arrival
-- time"). Each admitted request moves it on by 60 s / limit; a request that would move it more than 60 s ahead is
-- refused. So a rested caller may send the whole limit at once, and from then on one request per 60 s / limit: there
-- is no window at whose boundary twice the limit would pass.
--
-- Time is the database's clock, the one clock that all instances have in common: an instance whose own clock is ahead
-- would otherwise use up everybody's future. An override ends at a date, so that is told by the service's clock.

-- caller: 'workspace:' or 'staff:' and an id, or 'address:' and an address, for those who have no valid key.
-- A row whose time has come says no more than no row. Rows are updated in place, hence the room in each page, and no
-- index on arrival.
CREATE TABLE rate_limits (
    caller   text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('reads', 'writes', 'purchases', 'credit_purchases')),
    arrival  timestamptz NOT NULL,
    PRIMARY KEY (caller, kind)
) WITH (fillfactor = 50);

-- What staff allows a workspace instead of the limit of the settings. per_minute NULL: no limit.
CREATE TABLE rate_limit_overrides (
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    kind          text NOT NULL CHECK (kind IN ('reads', 'writes', 'purchases', 'credit_purchases')),
    per_minute    integer CHECK (per_minute BETWEEN 1 AND 1000000),
    expires_at    timestamptz NOT NULL,
    reason        text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    staff_id      uuid REFERENCES staff (id),
    PRIMARY KEY (workspace_id, kind)
);

CALL keep_internal('rate_limits');
CALL isolate('rate_limit_overrides');
-- The one table of which rows are deleted: they hold nothing that was promised to anybody.
GRANT INSERT, UPDATE, DELETE ON rate_limits TO marketplace_money;
GRANT INSERT, UPDATE ON rate_limit_overrides TO marketplace_money;
GRANT INSERT ON rate_limit_overrides TO marketplace_operator;

-- remaining: requests that would be admitted now; more_in: whole seconds, rounded up, until there is one more.
-- per_minute NULL: no limit holds.
CREATE TYPE admission AS (
    workspace_id uuid, per_minute integer, admitted boolean, remaining integer, more_in integer);

-- Takes one request out of the caller's budget, if it is there. Its own db_tx: no lock outlives it. A refusal is
-- decided by a read without a lock, because the time in a row only moves on: floods cost no writes.
CREATE FUNCTION admit(p_key_hash bytea, p_address text, p_kind text, p_per_minute integer, p_now timestamptz)
RETURNS admission LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c_minute CONSTANT interval := interval '60 seconds';
    v_caller text := 'address:' || p_address;
    v_workspace uuid;
    v_limit integer := p_per_minute;
    v_step interval;
    v_before timestamptz;
    v_after timestamptz;
    v_now timestamptz;
    v_remaining integer;
BEGIN
    IF p_key_hash IS NOT NULL THEN
        SELECT m.workspace_id, CASE WHEN o.workspace_id IS NULL THEN p_per_minute ELSE o.per_minute END
        INTO v_workspace, v_limit
        FROM members m LEFT JOIN rate_limit_overrides o
            ON o.workspace_id = m.workspace_id AND o.kind = p_kind AND o.expires_at > p_now
        WHERE m.api_key_hash = p_key_hash;
        IF FOUND THEN
            v_caller := 'workspace:' || v_workspace;
        ELSE
            v_limit := p_per_minute;
            v_caller := coalesce((SELECT 'staff:' || id FROM staff WHERE api_key_hash = p_key_hash), v_caller);
        END IF;
    END IF;
    IF v_limit IS NULL THEN
        RETURN ROW(v_workspace, NULL, true, NULL, NULL)::admission;
    END IF;

    -- Rounded down to the microsecond: the whole limit always fits into the minute.
    v_step := interval '1 microsecond' * (60000000 / v_limit);
    SELECT arrival INTO v_before FROM rate_limits WHERE caller = v_caller AND kind = p_kind;
    IF v_before IS NULL OR v_before + v_step <= clock_timestamp() + c_minute THEN
        INSERT INTO rate_limits AS budget (caller, kind, arrival)
        VALUES (v_caller, p_kind, clock_timestamp() + v_step)
        ON CONFLICT (caller, kind) DO UPDATE SET arrival = greatest(budget.arrival, clock_timestamp()) + v_step
        WHERE budget.arrival + v_step <= clock_timestamp() + c_minute
        RETURNING arrival INTO v_after;
        IF v_after IS NULL THEN  -- others came first
            SELECT arrival INTO v_before FROM rate_limits WHERE caller = v_caller AND kind = p_kind;
        END IF;
    END IF;

    v_now := clock_timestamp();
    v_before := coalesce(v_after, v_before, v_now);
    v_remaining := greatest(0, least(v_limit, floor(
        extract(epoch FROM v_now + c_minute - v_before) / extract(epoch FROM v_step))::integer));
    IF v_after IS NULL THEN
        v_remaining := 0;
    END IF;
    RETURN ROW(v_workspace, v_limit, v_after IS NOT NULL, v_remaining,
        greatest(1, ceil(extract(epoch FROM
            v_before + v_step * (v_remaining + 1) - c_minute - v_now))::integer))::admission;
END $$;

-- Forgets budgets that are whole again. Safe to run twice and at once.
CREATE FUNCTION forget_rate_limits(p_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM rate_limits WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM rate_limits WHERE arrival < clock_timestamp() LIMIT p_most FOR UPDATE SKIP LOCKED))
        RETURNING 1
    )
    SELECT count(*) FROM gone;
$$;

-- Sets the limit of a workspace for a kind until a date. NULL: no such workspace. Saying it again changes nothing
-- and is not written down again.
CREATE FUNCTION set_rate_limit(p_key_hash bytea, p_workspace uuid, p_kind text, p_per_minute integer,
                               p_expires_at timestamptz, p_reason text) RETURNS rate_limit_overrides
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff := enter_staff(p_key_hash);
    v_row rate_limit_overrides;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM workspaces WHERE id = p_workspace) THEN
        RETURN NULL;
    END IF;
    INSERT INTO rate_limit_overrides AS known (workspace_id, kind, per_minute, expires_at, reason, staff_id)
    VALUES (p_workspace, p_kind, p_per_minute, p_expires_at, p_reason, v_staff.id)
    ON CONFLICT (workspace_id, kind) DO UPDATE SET per_minute = EXCLUDED.per_minute,
        expires_at = EXCLUDED.expires_at, reason = EXCLUDED.reason, staff_id = EXCLUDED.staff_id
    WHERE (known.per_minute, known.expires_at, known.reason)
        IS DISTINCT FROM (EXCLUDED.per_minute, EXCLUDED.expires_at, EXCLUDED.reason)
    RETURNING * INTO v_row;
    IF NOT FOUND THEN
        SELECT * INTO v_row FROM rate_limit_overrides WHERE workspace_id = p_workspace AND kind = p_kind;
        RETURN v_row;
    END IF;
    PERFORM write_audit(v_staff.id, 'rate_limit.set', p_workspace, p_kind,
        jsonb_build_object('per_minute', p_per_minute, 'expires_at', p_expires_at, 'reason', p_reason));
    RETURN v_row;
END $$;

-- Ends an override now: the limit of the settings holds again. False: none is in force.
CREATE FUNCTION end_rate_limit(p_key_hash bytea, p_workspace uuid, p_kind text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff := enter_staff(p_key_hash);
BEGIN
    UPDATE rate_limit_overrides SET expires_at = p_now
    WHERE workspace_id = p_workspace AND kind = p_kind AND expires_at > p_now;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM write_audit(v_staff.id, 'rate_limit.ended', p_workspace, p_kind, '{}');
    RETURN true;
END $$;

GRANT EXECUTE ON FUNCTION admit(bytea, text, text, integer, timestamptz),
    set_rate_limit(bytea, uuid, text, integer, timestamptz, text),
    end_rate_limit(bytea, uuid, text, timestamptz)
TO marketplace_app;
GRANT EXECUTE ON FUNCTION forget_rate_limits(integer) TO marketplace_worker;
