-- debit-before-purchase: charge() commits the debit; purchase() then sells what was paid for, if it
-- can. Whoever is refused in the second step has paid for nothing. What buy_leads() does no more is in
-- purchases.rs.

-- Step one, its own db_tx. A status: the charge was refused, or the key was answered before.
CREATE FUNCTION charge(p_key_hash bytea, p_key text, p_request_hash bytea, p_leads uuid[],
                       p_request_id text, p_public_url text, p_now timestamptz) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members := enter_workspace(p_key_hash);
    v_answer answer;
    v_total bigint;
    v_wallet uuid;
    v_available bigint;
BEGIN
    v_answer := answered(v_member.workspace_id, p_key, p_request_hash, p_request_id);
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    SELECT sum(price) INTO v_total FROM leads WHERE id = ANY (p_leads);
    SELECT id INTO v_wallet FROM accounts
    WHERE kind = 'credits' AND workspace_id = v_member.workspace_id FOR NO KEY UPDATE;
    v_available := spendable(v_member.workspace_id, p_now);
    IF v_available < v_total THEN
        RETURN insufficient_credits(v_member.workspace_id, v_total, v_available,
                                    p_request_id, p_public_url);
    END IF;
    -- A charge that was made for this key before its purchase failed is not made again.
    IF v_total > 0 AND NOT EXISTS (SELECT 1 FROM transfers WHERE reference = 'purchase_'
            || md5(v_member.workspace_id || ':' || p_key)::uuid) THEN
        PERFORM take_from_lots(v_member.workspace_id, v_total, p_now);
        PERFORM post_transfer('purchase', 'purchase_'
                || md5(v_member.workspace_id || ':' || p_key)::uuid,
            ARRAY[v_wallet, '00000000-0000-0000-0000-000000000002']::uuid[],
            ARRAY[-v_total, v_total]);
    END IF;
    RETURN ROW(v_member.workspace_id, NULL, NULL, false)::answer;
END $$;

-- The partners' commissions, out of what the platform received in step one.
CREATE FUNCTION post_shares(p_id uuid, p_partners uuid[], p_commissions bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_accounts uuid[];
    v_amounts bigint[];
    v_shares bigint;
BEGIN
    SELECT array_agg(a.id), array_agg(share.amount), sum(share.amount)
    INTO v_accounts, v_amounts, v_shares
    FROM unnest(p_partners, p_commissions) AS share (partner, amount)
    LEFT JOIN accounts a ON a.workspace_id = share.partner AND a.kind = 'credits';
    PERFORM post_transfer('purchase', 'commission_' || p_id,
        ARRAY['00000000-0000-0000-0000-000000000002']::uuid[] || v_accounts,
        ARRAY[-v_shares] || v_amounts);
END $$;

GRANT EXECUTE ON FUNCTION charge(bytea, text, bytea, uuid[], text, text, timestamptz) TO marketplace_app;
