-- Credits that staff gives or takes, with the reason.

CREATE TABLE adjustments (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    staff_id      uuid NOT NULL REFERENCES staff (id),
    credits       bigint NOT NULL CHECK (credits <> 0),
    reason        text NOT NULL CHECK (reason <> ''),
    reference     text NOT NULL CONSTRAINT adjustments_reference_key UNIQUE,
    adjusted_at   timestamptz NOT NULL,
    UNIQUE (workspace_id, id)
);
CREATE INDEX adjustments_by_workspace ON adjustments (workspace_id, adjusted_at DESC);
CALL isolate('adjustments');
GRANT INSERT ON adjustments TO marketplace_money;

-- What became of an adjustment. id NULL: refused, because it takes shortfall more than the workspace can spend.
-- balance is what it can spend now.
CREATE TYPE adjusted AS (id uuid, balance bigint, shortfall bigint);

-- Gives (positive) or takes (negative) credits, at most once per reference, and writes it down. What is given
-- is a lot, and settles a debt first; what is taken is what expires first. The caller has authenticated p_staff.
CREATE FUNCTION adjust_credits(p_staff uuid, p_workspace uuid, p_credits bigint, p_reason text, p_reference text,
                               p_now timestamptz, p_lifetime_days integer DEFAULT 90) RETURNS adjusted
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_wallet accounts := lock_wallet(p_workspace);
    v_spendable bigint := spendable(p_workspace, p_now);
    v_id uuid;
BEGIN
    SELECT id INTO v_id FROM adjustments WHERE reference = p_reference;
    IF FOUND THEN
        RETURN ROW(v_id, v_spendable, 0)::adjusted;
    END IF;
    IF v_spendable + p_credits < 0 THEN
        RETURN ROW(NULL, v_spendable, -p_credits - v_spendable)::adjusted;
    END IF;
    INSERT INTO adjustments (workspace_id, staff_id, credits, reason, reference, adjusted_at)
    VALUES (p_workspace, p_staff, p_credits, p_reason, p_reference, p_now) RETURNING id INTO v_id;
    PERFORM post_transfer('adjustment', 'adjustment_' || v_id,
        ARRAY['00000000-0000-0000-0000-000000000001', v_wallet.id]::uuid[], ARRAY[-p_credits, p_credits]);
    IF p_credits > 0 THEN
        PERFORM add_lot(p_workspace, 'adjusted', 'adjustment_' || v_id, NULL, p_credits, p_now,
                        make_interval(days => p_lifetime_days));
        PERFORM settle_debt(p_workspace, 'adjustment_' || v_id, p_now);
    ELSE
        PERFORM take_from_lots(p_workspace, -p_credits, p_now);
    END IF;
    PERFORM write_audit(p_staff, 'credits.adjusted', p_workspace, v_id::text,
        jsonb_build_object('credits', p_credits, 'reason', p_reason));
    RETURN ROW(v_id, spendable(p_workspace, p_now), 0)::adjusted;
END $$;
