-- What the read endpoints call. These run with the rights of the caller, marketplace_app, so that
-- row-level security decides what they see; enter_workspace() has named the tenant. One round trip.

-- balance is what can be spent now, without what has expired, swept or not; debt is what is owed first.
CREATE FUNCTION read_balance(p_key_hash bytea, p_now timestamptz) RETURNS TABLE (balance bigint, debt bigint)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_member members := enter_workspace(p_key_hash);
BEGIN
    RETURN QUERY SELECT spendable(v_member.workspace_id, p_now),
        coalesce((SELECT owed FROM accounts WHERE kind = 'credits'), 0);
END $$;

-- One lead by id, or a page of them by id after p_after.
CREATE FUNCTION read_leads(p_key_hash bytea, p_id uuid, p_after uuid, p_limit integer)
RETURNS TABLE (id uuid, title text, price bigint, max_sales integer, sold_count integer)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_workspace(p_key_hash);
    IF p_id IS NOT NULL THEN
        RETURN QUERY SELECT id, title, price, max_sales, sold_count FROM leads WHERE id = p_id;
    ELSE
        RETURN QUERY SELECT id, title, price, max_sales, sold_count FROM leads
            WHERE p_after IS NULL OR id > p_after ORDER BY id LIMIT p_limit;
    END IF;
END $$;

-- Purchases with their items, newest first, before the cursor.
CREATE FUNCTION read_purchases(p_key_hash bytea, p_before timestamptz, p_before_id uuid,
                               p_limit integer)
RETURNS TABLE (id uuid, total bigint, created_at timestamptz, leads jsonb)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_workspace(p_key_hash);
    RETURN QUERY SELECT p.id, p.total, p.created_at,
            (SELECT jsonb_agg(jsonb_build_object('lead_id', i.lead_id, 'price', i.price)
                              ORDER BY i.lead_id)
             FROM purchase_items i WHERE i.purchase_id = p.id)
        FROM purchases p
        WHERE p_before IS NULL OR (p.created_at, p.id) < (p_before, p_before_id)
        ORDER BY p.created_at DESC, p.id DESC LIMIT p_limit;
END $$;

CREATE FUNCTION read_credit_purchase(p_key_hash bytea, p_id uuid)
RETURNS TABLE (id uuid, credits bigint, amount_cents bigint, status text, session_id text,
               money_back bigint, credits_back bigint)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_workspace(p_key_hash);
    RETURN QUERY SELECT id, credits, amount_cents, status, stripe_session_id, money_back, credits_back
        FROM credit_purchases WHERE id = p_id;
END $$;
