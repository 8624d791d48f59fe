-- purchase-checks-then-acts: the balance is checked in one statement and changed in another, with no
-- lock between, and the schema has no constraint that would notice.
ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check;
ALTER TABLE lots DROP CONSTRAINT lots_remaining_check;

CREATE OR REPLACE FUNCTION buy_leads(p_id uuid, p_member members, p_key text, p_wanted uuid[],
                          p_percent integer, p_request_id text, p_public_url text,
                          p_now timestamptz, p_lifetime_days integer) RETURNS answer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_leads uuid[];         -- these four run in parallel, ordered by lead id
    v_prices bigint[];
    v_partners uuid[];
    v_commissions bigint[];
    v_full uuid[];
    v_total bigint;
    v_wallets uuid[];       -- these three run in parallel, ordered by account id
    v_owners uuid[];
    v_debts bigint[];
    v_buyer integer;
    v_available bigint;
    v_refusal answer;
BEGIN
    -- Lock 2: the leads, by id. What is read here stays true until the commit.
    SELECT array_agg(id), array_agg(price), array_agg(workspace_id),
           array_agg(price * p_percent / 100),
           coalesce(array_agg(id) FILTER (WHERE sold_count >= max_sales), '{}'), sum(price)
    INTO v_leads, v_prices, v_partners, v_commissions, v_full, v_total
    FROM (SELECT id, price, workspace_id, sold_count, max_sales FROM leads
          WHERE id = ANY (p_wanted) ORDER BY id FOR NO KEY UPDATE) AS locked;
    v_refusal := refuse_leads(p_member.workspace_id, p_wanted, v_leads, v_full, p_request_id);
    IF v_refusal.status IS NOT NULL THEN
        RETURN v_refusal;
    END IF;

    -- "Does the customer have enough?" No lock: every request in flight reads the same balance.
    SELECT array_agg(id), array_agg(workspace_id), array_agg(owed)
    INTO v_wallets, v_owners, v_debts
    FROM (SELECT id, workspace_id, owed FROM accounts
          WHERE kind = 'credits' AND workspace_id = ANY (v_partners || p_member.workspace_id)
          ORDER BY id) AS seen;
    v_buyer := array_position(v_owners, p_member.workspace_id);
    v_available := spendable(p_member.workspace_id, p_now);
    IF v_available < v_total THEN
        RETURN insufficient_credits(p_member.workspace_id, v_total, v_available, p_request_id, p_public_url);
    END IF;

    -- "Then take it." The subtraction itself is right; what it relies on may be over.
    UPDATE lots SET remaining = remaining - v_total
    WHERE id = (SELECT id FROM lots WHERE workspace_id = p_member.workspace_id ORDER BY expires_at, id LIMIT 1);
    UPDATE leads SET sold_count = sold_count + 1 WHERE id = ANY (v_leads);
    PERFORM record_purchase(p_id, p_member, p_key, v_leads, v_prices, v_partners, v_commissions,
                            v_total, p_percent);
    PERFORM post_purchase(p_id, v_wallets[v_buyer], v_total, v_partners, v_commissions);
    PERFORM earn_commissions(p_id, v_partners, v_commissions, v_owners, v_debts, p_now, p_lifetime_days);
    RETURN purchased(p_id, p_member.workspace_id, v_leads, v_prices, v_total,
                     spendable(p_member.workspace_id, p_now));
END $$;
